import { createHash } from "node:crypto";
import { parse } from "acorn";

/** A node of acorn's tree, as far as it is looked at here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  // biome-ignore lint/suspicious/noExplicitAny: ESTree's kinds are told apart by `type`
  readonly [field: string]: any;
}

interface Chunk {
  readonly type: "chunk";
  readonly name: string;
  code: string;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface PluginContext {
  emitFile(file: { type: "asset"; fileName: string; source: string }): void;
}

/**
 * Makes scripts of the chunks of those names (see src/built-scripts.ts), each in a file `<name>.script.js`; modules that
 * import from them load them. Lines stay where they were.
 *
 * @param loader the chunk with built-scripts.ts
 */
export function scriptChunks(names: readonly string[], loader: string) {
  return {
    name: "script-chunks",
    generateBundle(
      this: PluginContext,
      _options: unknown,
      bundle: Record<string, Chunk | { readonly type: "asset" }>,
    ): void {
      for (const [file, chunk] of Object.entries(bundle)) {
        if (chunk.type !== "chunk" || !file.endsWith(".js")) continue;
        if (names.includes(chunk.name)) {
          const source = scriptOf(chunk, names, loader);
          this.emitFile({ type: "asset", fileName: `${chunk.name}.script.js`, source });
          delete bundle[file];
        } else chunk.code = importingScripts(chunk.code, names, loader);
      }
    },
  };
}

const parsed = (code: string) =>
  parse(code, { ecmaVersion: "latest", sourceType: "module" }) as unknown as Node;

/** The module's code with calls in place of its imports of scripts. */
function importingScripts(code: string, names: readonly string[], loader: string): string {
  const edits: Edit[] = [];
  for (const statement of parsed(code)["body"] as Node[]) {
    if (statement.type !== "ImportDeclaration" || !names.includes(chunkOf(statement))) continue;
    const text = taken(statement, `loadScript("${chunkOf(statement)}")`);
    const first = edits.length === 0 ? `import { loadScript } from "./${loader}.js"; ` : "";
    edits.push({ start: statement.start, end: statement.end, text: first + text });
  }
  return edited(code, edits);
}

/** @throws Error if the chunk is not what a script can be */
function scriptOf({ name, code }: Chunk, names: readonly string[], loader: string): string {
  const tree = parsed(code);
  const edits: Edit[] = [];
  const exports: [exported: string, local: string][] = [];
  for (const statement of tree["body"] as Node[]) {
    const { type, start, end } = statement;
    if (type === "ImportDeclaration") {
      const from = chunkOf(statement);
      if (from !== loader && !names.includes(from))
        throw new Error(`${name} imports ${from}, which is no script`);
      const source = from === loader ? "kinglet$" : `kinglet$.loadScript("${from}")`;
      edits.push({ start, end, text: taken(statement, source) });
    } else if (type === "ExportNamedDeclaration" && !statement["source"] && !statement["declaration"]) {
      for (const { exported, local } of statement["specifiers"]) exports.push([exported.name, local.name]);
      edits.push({ start, end, text: "" });
    } else if (type.startsWith("Export")) throw new Error(`${name}: ${code.slice(start, start + 80)}`);
  }
  refuseChanging(tree, new Set(exports.map(([, local]) => local)), name);
  for (const { start, end } of nodesOf(tree, /^MetaProperty$/))
    if (code.startsWith("import", start)) edits.push({ start, end, text: "kinglet$.meta" });
  for (const { start } of nodesOf(tree, /^ImportExpression$/))
    edits.push({ start, end: start + "import".length, text: "kinglet$.importModule" });
  const body = ascii(edited(code, edits)).replace(/\n\/\/# sourceMappingURL.*\s*$/, "");
  const hash = createHash("sha256").update(body).digest("hex").slice(0, 16);
  const list = exports.map(([exported, local]) => (exported === local ? local : `${exported}: ${local}`));
  const script = `/*${hash}*/(function (kinglet$) { "use strict"; ${body}\nreturn { ${list.join(", ")} };\n})\n`;
  parse(script, { ecmaVersion: "latest", sourceType: "script" });
  return script;
}

const chunkOf = (statement: Node): string => String(statement["source"].value).replace(/^\.\/|\.js$/g, "");

/** A destructuring in place of an import statement. */
function taken(statement: Node, source: string): string {
  const parts = (statement["specifiers"] as Node[]).map(({ type, imported, local }) => {
    if (type !== "ImportSpecifier") throw new Error(`all of ${chunkOf(statement)} is imported`);
    return imported.name === local.name ? local.name : `${imported.name}: ${local.name}`;
  });
  return parts.length > 0 ? `const { ${parts.join(", ")} } = ${source};` : `${source};`;
}

/** Who imports a variable gets the value that it has when the script has run: functions must not change it. */
function refuseChanging(tree: Node, exported: ReadonlySet<string>, name: string): void {
  for (const fn of nodesOf(tree, /Function/)) {
    for (const { left, argument } of nodesOf(fn, /^(?:Assignment|Update)Expression$/)) {
      const target: Node = left ?? argument;
      if (target.type === "Identifier" && exported.has(target["name"]))
        throw new Error(`${name} exports ${target["name"]}, and a function assigns it`);
    }
  }
}

function nodesOf(tree: Node, type: RegExp): Node[] {
  const found: Node[] = [];
  const visit = (node: Node): void => {
    if (type.test(node.type)) found.push(node);
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value])
        if (typeof child?.type === "string") visit(child);
    }
  };
  visit(tree);
  return found;
}

function edited(code: string, edits: readonly Edit[]): string {
  let result = "";
  let at = 0;
  for (const { start, end, text } of [...edits].sort((a, b) => a.start - b.start)) {
    const lineEnds = code.slice(start, end).replaceAll(/[^\n]/g, "");
    result += code.slice(at, start) + text + lineEnds;
    at = end;
  }
  return result + code.slice(at);
}

/** Characters above ASCII are in texts alone, where they may be written so. A file of ASCII is read more quickly. */
function ascii(code: string): string {
  return code.replaceAll(
    /[^\n\r\t\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
