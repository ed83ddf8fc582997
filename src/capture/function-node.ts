import { createHash } from "node:crypto";
import type { CallableObject } from "../codec/graph/hooks.ts";
import { classNames } from "../codec/graph/identity.ts";
import type { GraphNode, PrototypeRecord } from "../codec/graph/nodes.ts";
import type { PathStep } from "../codec/graph/path.ts";
import { integrityOf, isObject, isPlainPrototype } from "../codec/graph/shapes.ts";
import type { ParsedFunction } from "./analyze.ts";
import { readClassParts } from "./class-parts.ts";
import { type CodeUnit, isClassUnit } from "./code-unit.ts";
import type { CaptureContext } from "./context.ts";
import { referenceKey } from "./references.ts";
import type { CaptureStep } from "./steps.ts";
import { isClassNode, type SyntaxNode } from "./syntax.ts";

/** Own properties, prototype and, for classes, what their definition evaluated once. */
export function functionNode(
  capture: CaptureContext,
  unit: CodeUnit,
  fn: CallableObject,
  step: CaptureStep,
): GraphNode {
  const isClass = isClassUnit(unit);
  const declared = isClass ? readClassParts(capture, unit, fn, step) : undefined;
  const naturalName = unit.isDeclaration ? undefined : ownName(unit.parsed);
  const name = Object.getOwnPropertyDescriptor(fn, "name");
  const nameIsNatural = name !== undefined && !name.writable && name.value === naturalName;
  const length = Object.getOwnPropertyDescriptor(fn, "length");
  const lengthIsNatural = length !== undefined && !length.writable && length.value === ownLength(unit.parsed);
  const records = capture.writer.properties(fn, step, (key) => {
    if (key === "length") return lengthIsNatural;
    if (key === "prototype" || key === "arguments" || key === "caller") return true;
    return declared?.statics.has(key) || (key === "name" && nameIsNatural);
  });
  const prototype = prototypeRecord(capture, unit, fn, step, declared?.methods);
  return isClass
    ? ["function", unit.id, records, prototype, integrityOf(fn), classKey(capture, unit, fn)]
    : ["function", unit.id, records, prototype, integrityOf(fn)];
}

function prototypeRecord(
  capture: CaptureContext,
  unit: CodeUnit,
  fn: CallableObject,
  step: CaptureStep,
  classMethods: ReadonlySet<PropertyKey> | undefined,
): PrototypeRecord {
  const prototype: unknown = Object.getOwnPropertyDescriptor(fn, "prototype")?.value;
  if (!isObject(prototype)) return null;
  const at: PathStep = { parent: step, text: ".prototype" };
  if (classMethods) {
    const records = capture.writer.properties(prototype, at, (key) => classMethods.has(key));
    return records.length > 0 ? ["fill", records, -1] : null;
  }
  if (Object.getOwnPropertyDescriptor(prototype, "constructor")?.value === fn) {
    // A constructor of the old kind: the prototype that it comes with is filled.
    const records = capture.writer.properties(prototype, at, (key) => key === "constructor");
    const parent = Object.getPrototypeOf(prototype) as object | null;
    const parentRef = parent && !isPlainPrototype(parent) ? capture.writer.prototypeRef(parent, at) : -1;
    return records.length > 0 || parentRef !== -1 ? ["fill", records, parentRef] : null;
  }
  const isOwn = unit.parsed.node.type === "FunctionExpression" && !unit.parsed.node["generator"];
  return isOwn || Reflect.ownKeys(prototype).length > 0
    ? ["replace", capture.writer.ref(prototype, at)]
    : null;
}

/**
 * The same for the same class in every process: where it is exported, or its file and text, which of the equal texts
 * there it is, and which of the classes made there. Not its line: items of it are to stay equal when that moves.
 */
function classKey(capture: CaptureContext, unit: CodeUnit, fn: CallableObject): string {
  const { script, start, text } = unit;
  const known = classNames.known(fn);
  if (known !== undefined) return known;
  const exported = script.isRestored ? undefined : capture.ownExport(fn, script, () => unit.scopes);
  if (exported) {
    const key = referenceKey(exported);
    classNames.remember(fn, key);
    return key;
  }
  const place = `${script.url}:${script.source.slice(0, start).split(text).length - 1}`;
  return classNames.nameOf(
    fn,
    `class:${createHash("sha256").update(`${place}\n${text}`).digest("hex").slice(0, 20)}`,
  );
}

/** The length that the language gives to it: parameters before the first that is optional. */
function ownLength({ node }: ParsedFunction): number {
  const members: SyntaxNode[] = node["body"]?.body ?? [];
  const made: SyntaxNode | undefined = isClassNode(node)
    ? members.find((member) => member["kind"] === "constructor")
    : undefined;
  const fn: SyntaxNode = made?.["value"] ?? node["value"] ?? node;
  const parameters: SyntaxNode[] = fn["params"] ?? [];
  const optional = parameters.findIndex(({ type }) => type === "AssignmentPattern" || type === "RestElement");
  return optional < 0 ? parameters.length : optional;
}

/** The name that the language gives to the function where it is evaluated again. */
function ownName({ kind, node }: ParsedFunction): string {
  if (kind === "expression") return (node["id"]?.name as string | undefined) ?? "";
  return String(node["key"]?.name ?? node["key"]?.value ?? "");
}
