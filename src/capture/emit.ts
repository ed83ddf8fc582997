import { createHash } from "node:crypto";
import type { CodeRecord, MappingPoint, Ref } from "../codec/graph/nodes.ts";
import { privateNames } from "./classes.ts";
import { type CodeUnit, freeVariables, isClassUnit } from "./code-unit.ts";
import type { CaptureContext } from "./context.ts";
import { type ImportReference, isMainScript } from "./references.ts";
import { buildScopes, type RootScope, type ScopeNode } from "./scope-tree.ts";
import { childNodes, keyName, type SyntaxNode } from "./syntax.ts";

/** Names that restored code calls Kinglet by; users' variables don't begin so. */
export const RUNTIME = "$kinglet";
export const META = "$kingletMeta";
export const IMPORT = "$kingletImport";
const MODULE = "$kingletModule";

/** A replacement within a unit's text; offsets of that text. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Writes the code of all functions sent by value: scopes as nested blocks, so that what shared a variable shares it
 * again; each function's text as it was, but for what must be asked of the runtime.
 *
 *     ($kinglet) => {
 *     (function () { "use strict"; … {
 *       let counter; $kinglet.variables(() => { counter = $kinglet.slot(0) }, …);
 *       $kinglet.function(0, () => { return (() => ++counter) });
 *     } })();
 *     }
 */
export function emitCode(capture: CaptureContext): CodeRecord | undefined {
  if (capture.units.length === 0) return undefined;
  const emitter = new Emitter(capture);
  for (const root of buildScopes(capture)) emitter.root(root);
  return emitter.finish();
}

class Emitter {
  readonly #capture: CaptureContext;
  readonly #output = new Output();
  readonly #moduleNames = new Map<string, string>();
  readonly #slotOf = new WeakMap<ScopeNode, Map<string, number>>();

  constructor(capture: CaptureContext) {
    this.#capture = capture;
    this.#output.write(`(${RUNTIME})=>{\n`);
  }

  finish(): CodeRecord {
    this.#output.write("}");
    const text = this.#output.text;
    const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
    return {
      text,
      hash,
      slots: this.#capture.slots,
      sources: this.#output.sources,
      mapping: this.#output.mapping,
    };
  }

  root(root: RootScope): void {
    const url = JSON.stringify(root.script.fileUrl);
    const strict = root.script.syntax.isStrict ? '"use strict";' : "";
    const isMain = isMainScript(root.script.filePath) ? ",true" : "";
    this.#moduleNames.clear();
    const modules = this.#liveModules(root);
    this.#output.write(
      `(function(){${strict}const ${META}=${RUNTIME}.meta(${url}${isMain}),${IMPORT}=${RUNTIME}.importer(${url})${modules};\n`,
    );
    this.#scope(root);
    this.#output.write("})();\n");
  }

  /** Constants for the namespaces that this script's import bindings are read from. */
  #liveModules(root: RootScope): string {
    let text = "";
    for (const unit of this.#capture.units) {
      if (unit.script !== root.script) continue;
      for (const binding of unit.bindings.values()) {
        if (binding.kind !== "import") continue;
        const number = this.#capture.imports.numberOf(binding.reference.record);
        const key = String(number);
        if (this.#moduleNames.has(key)) continue;
        const name = `${MODULE}${this.#moduleNames.size}`;
        this.#moduleNames.set(key, name);
        text += `,${name}=${RUNTIME}.module(${number})`;
      }
    }
    return text;
  }

  #scope(node: ScopeNode): void {
    const names = [...node.variables.keys()];
    // One by one: what the first of them needs may be the next.
    const assignments = names
      .map((name) => `()=>{${name}=${RUNTIME}.slot(${this.#slot(node, name)})}`)
      .join(",");
    this.#output.write(
      names.length > 0 ? `{let ${names.join(",")};${RUNTIME}.variables(${assignments});\n` : "{\n",
    );
    for (const unit of node.units) this.#unit(unit);
    for (const child of node.children) this.#scope(child);
    this.#output.write("}\n");
  }

  #slot(node: ScopeNode, name: string): number {
    let slots = this.#slotOf.get(node);
    if (!slots) this.#slotOf.set(node, (slots = new Map()));
    let slot = slots.get(name);
    if (slot === undefined) {
      slot = this.#capture.slot(node.variables.get(name) as Ref);
      slots.set(name, slot);
    }
    return slot;
  }

  #unit(unit: CodeUnit): void {
    const { thisSlot, argumentsSlot, homeSlot } = unit.parts;
    const output = this.#output;
    output.write(`${RUNTIME}.function(${unit.id},()=>{${unit.isStrict ? '"use strict";' : ""}`);
    const isWrapped = thisSlot !== undefined || argumentsSlot !== undefined;
    output.write(isWrapped ? "return (function(){return " : "return ");
    const isMember = unit.parsed.kind !== "expression";
    const home = homeSlot === undefined ? "" : `__proto__:${RUNTIME}.slot(${homeSlot}),`;
    output.write(isMember ? `${RUNTIME}.method({${home}` : "(");
    this.#text(unit);
    output.write(isMember ? "})" : ")");
    if (isWrapped) {
      const self = thisSlot === undefined ? "undefined" : `${RUNTIME}.slot(${thisSlot})`;
      const args = argumentsSlot === undefined ? "[]" : `${RUNTIME}.settled(${argumentsSlot})`;
      output.write(`}).apply(${self},${args})`);
    }
    output.write("});\n");
  }

  #text(unit: CodeUnit): void {
    const edits = this.#edits(unit).sort((a, b) => a.start - b.start || a.end - b.end);
    let at = 0;
    for (const edit of edits) {
      this.#output.copy(unit, at, edit.start);
      this.#output.write(edit.text);
      at = edit.end;
    }
    this.#output.copy(unit, at, unit.text.length);
  }

  #edits(unit: CodeUnit): Edit[] {
    const { parsed, bindings } = unit;
    const { offset, facts, node } = parsed;
    const edits: Edit[] = [];
    const replace = (start: number, end: number, text: string) =>
      edits.push({ start: start - offset, end: end - offset, text });
    for (const meta of facts.metas) replace(meta.start, meta.end, META);
    for (const call of facts.dynamicImports) replace(call.start, call.start + "import".length, IMPORT);
    if (unit.isDeclaration) replace(node["id"].start, node["id"].end, "");
    for (const [name, uses] of freeVariables(unit)) {
      const binding = bindings.get(name);
      if (binding?.kind !== "import") continue;
      const text = this.#liveRead(binding.reference);
      for (const use of uses) {
        const read = use.called ? `(0,${text})` : text;
        replace(use.start, use.end, use.shorthand ? `${name}:${read}` : read);
      }
    }
    if (parsed.kind !== "expression") replaceKey(unit, replace);
    if (isClassUnit(unit)) classEdits(unit, replace);
    return edits;
  }

  #liveRead({ record, path }: ImportReference): string {
    const name = this.#moduleNames.get(String(this.#capture.imports.numberOf(record)))!;
    return name + path.map((step) => `[${JSON.stringify(step)}]`).join("");
  }
}

type Replace = (start: number, end: number, text: string) => void;

/** A method that stands alone gets a name that is no expression and no private name. */
function replaceKey(unit: CodeUnit, replace: Replace): void {
  const { node, offset } = unit.parsed;
  const key: SyntaxNode = node["key"];
  if (key.type === "PrivateIdentifier") replace(key.start, key.start + 1, "_");
  if (!node["computed"]) return;
  const [start, end] = brackets(unit.text, key.start - offset, key.end - offset);
  replace(start + offset, end + offset, "_");
}

function brackets(text: string, keyStart: number, keyEnd: number): [number, number] {
  return [text.lastIndexOf("[", keyStart), text.indexOf("]", keyEnd) + 1];
}

/** What a class evaluated once when it was defined is not evaluated again, but asked for. */
function classEdits(unit: CodeUnit, replace: Replace): void {
  const { parts, parsed, text } = unit;
  const { node, offset } = parsed;
  if (parts.heritageSlot !== undefined) {
    replace(node["superClass"].start, node["superClass"].end, `(${RUNTIME}.settled(${parts.heritageSlot}))`);
  }
  for (const { member, slot } of parts.computedKeys) {
    const [start, end] = brackets(text, member["key"].start - offset, member["key"].end - offset);
    replace(start + offset, end + offset, `[${RUNTIME}.slot(${slot})]`);
  }
  const members: SyntaxNode[] = node["body"].body;
  const hasPrivates = privateNames(parsed).any;
  for (const member of members) {
    if (member.type === "StaticBlock") replace(member.start, member.end, "");
    else if (member.type === "PropertyDefinition" && member["value"])
      fieldEdit(unit, member, hasPrivates, replace);
  }
  if (hasPrivates) privateEdits(unit, members, replace);
}

function fieldEdit(unit: CodeUnit, member: SyntaxNode, hasPrivates: boolean, replace: Replace): void {
  const value: SyntaxNode = member["value"];
  if (member["static"]) {
    const isPrivate = member["key"].type === "PrivateIdentifier";
    const slot = isPrivate ? unit.parts.staticPrivates.get(keyName(member["key"])) : undefined;
    replace(value.start, value.end, slot === undefined ? "void 0" : `${RUNTIME}.slot(${slot})`);
  } else if (hasPrivates) {
    // An instance that is being rebuilt gets its fields from the table.
    replace(value.start, value.start, `${RUNTIME}.rebuilding?void 0:(`);
    replace(value.end, value.end, ")");
  }
}

/** A way in for private fields, and a way around the constructor. */
function privateEdits({ parsed }: CodeUnit, members: readonly SyntaxNode[], replace: Replace): void {
  const ctor = members.find((member) => member["kind"] === "constructor");
  if (ctor) {
    const begin = ctor["value"].body.start + 1;
    const leave = parsed.node["superClass"] ? `{super(...${RUNTIME}.anyArguments);return}` : "return;";
    replace(begin, begin, `if(${RUNTIME}.rebuilding)${leave}`);
  }
  const assignments = privateNames(parsed).fields.map((name, index) => `o.#${name}=v[${index}];`);
  const begin = parsed.node["body"].start + 1;
  replace(begin, begin, `static{${RUNTIME}.privates(this,(o,v)=>{${assignments.join("")}})}`);
}

/** The text as it grows, with the positions that lead back to the user's source. */
class Output {
  readonly sources: string[] = [];
  readonly mapping: MappingPoint[] = [];
  readonly #parts: string[] = [];
  #line = 0;
  #column = 0;
  /** The last point says that Kinglet's own text began. */
  #isOwn = true;

  get text(): string {
    return this.#parts.join("");
  }

  /** Text of Kinglet's own. */
  write(text: string): void {
    if (!this.#isOwn && text.length > 0) {
      this.mapping.push([this.#line, this.#column, -1, 0, 0]);
      this.#isOwn = true;
    }
    this.#advance(text);
  }

  /** The part of the unit's text between two offsets. */
  copy(unit: CodeUnit, start: number, end: number): void {
    if (start >= end) return;
    this.#isOwn = false;
    const { script } = unit;
    // With a source map each token has a place of its own; without, places run along with the text.
    const points = script.map ? tokenOffsets(unit, start, end) : [];
    let at = start;
    for (const point of [start, ...points]) {
      this.#advance(unit.text.slice(at, point));
      at = point;
      const { line, column } = script.positionAt(unit.start + point);
      const original = script.originalPosition(line, column);
      this.mapping.push([
        this.#line,
        this.#column,
        this.#source(original.path),
        original.line,
        original.column,
      ]);
    }
    this.#advance(unit.text.slice(at, end));
  }

  #source(path: string): number {
    const known = this.sources.indexOf(path);
    return known >= 0 ? known : this.sources.push(path) - 1;
  }

  #advance(text: string): void {
    if (text.length === 0) return;
    this.#parts.push(text);
    const last = text.lastIndexOf("\n");
    if (last < 0) {
      this.#column += text.length;
      return;
    }
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#line++;
    this.#column = text.length - last - 1;
  }
}

/** Offsets of the syntax nodes that begin strictly between two offsets of the unit's text, ascending. */
function tokenOffsets(unit: CodeUnit, start: number, end: number): number[] {
  const offsets = new Set<number>();
  const walk = (node: SyntaxNode): void => {
    const offset = node.start - unit.parsed.offset;
    if (offset > start && offset < end) offsets.add(offset);
    for (const child of childNodes(node)) walk(child);
  };
  walk(unit.parsed.node);
  return [...offsets].sort((a, b) => a - b);
}
