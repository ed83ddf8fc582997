import { IMPORT, META, RUNTIME } from "../capture/emit.ts";
import { type Graph, unpackGraph } from "../codec/graph/envelope.ts";
import type { CodeRecord, GraphNode, GraphTable, ImportRecord } from "../codec/graph/nodes.ts";
import { LANE_GRAPH, LANE_HEADER_BYTES } from "../codec/header.ts";

/** What a captured function or value imports. */
export interface CapturedImports {
  /** Loaded before it can run. */
  readonly needed: readonly ImportRecord[];
  /** `import("…")` and `require("…")` in captured code: loaded if the code gets there. */
  readonly mayNeed: readonly ImportRecord[];
  /** URLs of the user's files that the code comes from. */
  readonly origins: readonly string[];
  /** Hashes of broadcast values whose handles it holds. */
  readonly broadcasts: readonly string[];
}

export const NO_IMPORTS: CapturedImports = { needed: [], mayNeed: [], origins: [], broadcasts: [] };

/** All that any of them needs, each once. */
export function united(all: readonly CapturedImports[]): CapturedImports {
  return {
    needed: distinct(all.flatMap(({ needed }) => needed)),
    mayNeed: distinct(all.flatMap(({ mayNeed }) => mayNeed)),
    origins: [...new Set(all.flatMap(({ origins }) => origins))].sort(),
    broadcasts: [...new Set(all.flatMap(({ broadcasts }) => broadcasts))].sort(),
  };
}

/** In an order that doesn't depend on who came first. */
function distinct(records: readonly ImportRecord[]): ImportRecord[] {
  const byText = new Map(records.map((record) => [recordText(record), record]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
}

const recordText = ({ parent, specifier, commonjs }: ImportRecord): string =>
  JSON.stringify([parent, specifier, commonjs ?? false]);

/** Of a value's bytes, as the codec writes them. */
export function importsOfValue(bytes: Uint8Array): CapturedImports {
  return bytes[1] === LANE_GRAPH ? importsOf(bytes.subarray(LANE_HEADER_BYTES)) : NO_IMPORTS;
}

/** Of stored bytes; attached graphs included. */
export function importsOf(bytes: Uint8Array): CapturedImports {
  return importsOfGraph(unpackGraph(bytes));
}

/** Bytes of attached classes come with many items. */
const attachedImports = new WeakMap<Uint8Array, CapturedImports>();

export function importsOfGraph({ table, bodies }: Graph): CapturedImports {
  const needed = [...table.imports];
  const { mayNeed, origins } = table.code
    ? new CodeImports(table, table.code)
    : { mayNeed: [] as ImportRecord[], origins: [] as string[] };
  const broadcasts = broadcastsIn({ table, bodies });
  origins.push(...needed.map(({ parent }) => parent), ...originsOfNodes(table.nodes));
  for (const number of table.attached) {
    const body = bodies[number]!;
    let inner = attachedImports.get(body);
    if (!inner) attachedImports.set(body, (inner = importsOf(body)));
    needed.push(...inner.needed);
    mayNeed.push(...inner.mayNeed);
    origins.push(...inner.origins);
  }
  return {
    needed,
    mayNeed,
    origins: [...new Set(origins)].filter((url) => url.startsWith("file:")),
    broadcasts,
  };
}

/** A handle's facts may be in the table or among its plain data. */
function broadcastsIn({ table, bodies }: Graph): string[] {
  if (!table.nodes.some((node) => node[0] === "registered" && node[1] === "kinglet.Broadcast")) return [];
  const plain = bodies[table.plainBody];
  const text = JSON.stringify(table.nodes) + (plain ? Buffer.from(plain).toString("latin1") : "");
  return [...text.matchAll(/values\/([0-9a-f]{64})/g)].map(([, hash]) => hash!);
}

function originsOfNodes(nodes: readonly GraphNode[]): string[] {
  return nodes.flatMap((node) =>
    node[0] === "require" || node[0] === "dynamicImport" || node[0] === "moduleMeta" ? [node[1]] : [],
  );
}

const escaped = (name: string): string => name.replaceAll("$", "\\$");
const COMMENT = String.raw`(?:\s|/\*[^]*?\*/|//[^\n]*\n)*`;
const LITERAL = String.raw`\(${COMMENT}(["'\`])([^"'\`$\\\n]+)\1`;

/** The part of the code that comes from one file, see capture/emit.ts. */
const FILE_BEGINS = new RegExp(`const ${escaped(META)}=${escaped(RUNTIME)}\\.meta\\(("[^"\\n]*")`, "g");
const IMPORT_CALL = new RegExp(`${escaped(IMPORT)}${COMMENT}${LITERAL}`, "g");
const SLOT = new RegExp(String.raw`([\w$]+)=${escaped(RUNTIME)}\.slot\((\d+)\)`, "g");

/**
 * Finds literal `import("x")` and `require("x")` in emitted code by their text. What only looks like one, in a string
 * say, makes a package greater at worst: such modules are left out where they can't be found.
 */
class CodeImports {
  readonly mayNeed: ImportRecord[] = [];
  readonly origins: string[] = [];
  readonly #table: GraphTable;
  readonly #slots: CodeRecord["slots"];

  constructor(table: GraphTable, { text, slots }: CodeRecord) {
    this.#table = table;
    this.#slots = slots;
    const begins = [...text.matchAll(FILE_BEGINS)];
    for (const [number, begin] of begins.entries()) {
      const parent = JSON.parse(begin[1]!) as string;
      this.origins.push(parent);
      this.#lookInto(text.slice(begin.index, begins[number + 1]?.index), parent);
    }
  }

  #lookInto(text: string, parent: string): void {
    for (const [, , specifier] of text.matchAll(IMPORT_CALL))
      this.mayNeed.push({ parent, specifier: specifier! });
    const seen = new Set<string>();
    for (const [, name, slot] of text.matchAll(SLOT)) {
      const ref = this.#slots[Number(slot)];
      const node = typeof ref === "number" ? this.#table.nodes[ref] : undefined;
      if (!node || seen.has(name!) || (node[0] !== "require" && node[0] !== "dynamicImport")) continue;
      seen.add(name!);
      const call = new RegExp(String.raw`(?<![\w$.])${escaped(name!)}${COMMENT}${LITERAL}`, "g");
      for (const [, , specifier] of text.matchAll(call)) {
        const record = { parent: node[1], specifier: specifier! };
        this.mayNeed.push(node[0] === "require" ? { ...record, commonjs: true } : record);
      }
    }
  }
}
