import { createHash } from "node:crypto";
import vm from "node:vm";
import { type Graph, unpackGraph } from "../codec/graph/envelope.ts";
import type { GraphTable } from "../codec/graph/nodes.ts";
import type { SharedParts } from "../codec/graph/reader.ts";
import { placesId } from "./elsewhere.ts";
import { loadImport } from "./loading.ts";
import type { SetPrivates } from "./rebuild.ts";
import type { ImportReference } from "./references.ts";
import { rememberMapping } from "./stack.ts";

/** What restored code calls: see emit.ts. */
export interface LinkRuntime {
  /** Instances are being rebuilt: constructors and field initialisers do nothing. */
  readonly rebuilding: boolean;
  /** Arguments that constructors can take apart without running anything. */
  readonly anyArguments: readonly unknown[];
  slot(number: number): unknown;
  settled(number: number): unknown;
  variables(...assignments: (() => void)[]): void;
  function(number: number, create: () => unknown): void;
  privates(ctor: object, set: SetPrivates): void;
  method(holder: object): unknown;
  module(number: number): unknown;
  meta(url: string, isMain?: boolean): object;
  importer(url: string): unknown;
}

/** A graph whose code is compiled and whose modules are loaded: it can be linked any number of times. */
export interface CompiledGraph {
  readonly graph: Graph;
  readonly imports: readonly unknown[];
  /** Registers the creators of functions; undefined where there is no code. */
  readonly code: ((runtime: LinkRuntime) => void) | undefined;
  readonly attached: readonly CompiledGraph[];
  /** Read-only parts, decoded once. */
  readonly shared: SharedParts;
}

const codes = new Map<string, (runtime: LinkRuntime) => void>();
const KEPT_CODES = 512;
const attachments = new Map<string, CompiledGraph>();

/**
 * Reads a graph. A promise only where modules must be loaded first.
 *
 * @param isHere true of an import that need not be loaded, because this process has what it leads to
 * @throws StoreError, and what modules throw
 */
export function compileGraph(
  bytes: Uint8Array,
  isHere: (reference: ImportReference) => boolean = () => false,
): CompiledGraph | Promise<CompiledGraph> {
  const graph = unpackGraph(bytes);
  const { table } = graph;
  const code = table.code && compileCode(table.code.text, table.code.hash);
  if (table.code) rememberMapping(table.code);
  const attached = table.attached.map((body) => compileAttached(graph.bodies[body]!));
  const needed = neededImports(table, isHere);
  const imports = table.imports.map((record, number) =>
    needed.has(number) ? loadImport(record) : undefined,
  );
  const shared: SharedParts = {};
  if (![...attached, ...imports].some((part) => part instanceof Promise)) {
    return { graph, imports, code, attached: attached as CompiledGraph[], shared };
  }
  return Promise.all([Promise.all(attached), Promise.all(imports)]).then(([ready, loaded]) => ({
    graph,
    imports: loaded,
    code,
    attached: ready,
    shared,
  }));
}

/** Numbers of the imports that are loaded: all where there is code, which may read any of them. */
function neededImports(table: GraphTable, isHere: (reference: ImportReference) => boolean): Set<number> {
  if (table.code) return new Set(table.imports.keys());
  const needed = new Set<number>();
  for (const node of table.nodes) {
    if (node[0] !== "import") continue;
    const [, number, ...path] = node;
    if (!needed.has(number) && !isHere({ record: table.imports[number]!, path })) needed.add(number);
  }
  return needed;
}

/** Graphs of classes are attached to many items: each is compiled once. */
function compileAttached(bytes: Uint8Array): CompiledGraph | Promise<CompiledGraph> {
  // Its modules come from the package that is in use.
  const hash = `${placesId()}:${createHash("sha256").update(bytes).digest("base64")}`;
  const known = attachments.get(hash);
  if (known) return known;
  const keep = (compiled: CompiledGraph): CompiledGraph => {
    if (attachments.size >= KEPT_CODES) attachments.clear();
    attachments.set(hash, compiled);
    return compiled;
  };
  // A copy: the item's bytes need not live as long.
  const compiled = compileGraph(bytes.slice());
  return compiled instanceof Promise ? compiled.then(keep) : keep(compiled);
}

function compileCode(text: string, hash: string): (runtime: LinkRuntime) => void {
  let code = codes.get(hash);
  if (!code) {
    code = new vm.Script(text, { filename: `kinglet:${hash}` }).runInThisContext() as (
      runtime: LinkRuntime,
    ) => void;
    if (codes.size >= KEPT_CODES) codes.clear();
    codes.set(hash, code);
  }
  return code;
}
