import type { CallableObject } from "../codec/graph/hooks.ts";
import { textOf } from "./classes.ts";
import type { CodeUnit } from "./code-unit.ts";
import type { CaptureContext } from "./context.ts";
import type { CaptureStep } from "./steps.ts";
import { keyName, type SyntaxNode } from "./syntax.ts";

/** Keys that a class's own text defines, so that they need not be sent as properties. */
export interface DeclaredKeys {
  readonly statics: Set<PropertyKey>;
  readonly methods: Set<PropertyKey>;
}

/** Reads from the live class what its definition evaluated once: heritage, computed keys, static fields. */
export function readClassParts(
  capture: CaptureContext,
  unit: CodeUnit,
  fn: CallableObject,
  step: CaptureStep,
): DeclaredKeys {
  const { node } = unit.parsed;
  const members: SyntaxNode[] = node["body"].body;
  const declared: DeclaredKeys = { statics: new Set(), methods: new Set(["constructor"]) };
  const heritage: SyntaxNode | null = node["superClass"];
  if (heritage && !(heritage.type === "Literal" && heritage["value"] === null)) {
    const parent = Object.getPrototypeOf(fn) as object;
    unit.parts.heritageSlot = capture.slot(
      capture.writer.ref(parent, { parent: step, text: ".[[Extends]]" }),
    );
  }
  for (const member of members)
    if (member["computed"]) readComputedKey(capture, unit, fn, member, declared, step);
  for (const member of members) noteDeclared(unit, fn, member, declared);
  const hasStaticPrivates = members.some(
    (member) =>
      member["static"] && member.type === "PropertyDefinition" && member["key"].type === "PrivateIdentifier",
  );
  if (hasStaticPrivates) {
    for (const { name, value } of capture.inspector.privateFields(fn)) {
      const bare = name.slice(1);
      if (unit.parts.staticPrivates.has(bare)) continue;
      unit.parts.staticPrivates.set(
        bare,
        capture.slot(capture.writer.ref(value, { parent: step, text: `.${name}` })),
      );
    }
  }
  return declared;
}

/** The key of `[expression]() {}`: the one whose method has that very text. */
function readComputedKey(
  capture: CaptureContext,
  unit: CodeUnit,
  fn: CallableObject,
  member: SyntaxNode,
  declared: DeclaredKeys,
  step: CaptureStep,
): void {
  if (member.type !== "MethodDefinition") {
    capture.fail(step, {
      why: `it is a class with a computed ${member["static"] ? "static " : ""}field, whose key is not known`,
      remedy: "Give the field a plain name.",
    });
  }
  const text = memberText(unit, member);
  const owner = ownerOf(fn, member);
  const taken = unit.parts.computedKeys
    .filter((other) => other.member["static"] === member["static"] && other.member["kind"] === member["kind"])
    .map((other) => other.key);
  const key = Reflect.ownKeys(owner).find(
    (candidate) => !taken.includes(candidate) && methodText(owner, candidate, member["kind"]) === text,
  );
  if (key === undefined)
    capture.fail(step, { why: `it is a class whose method ${text.slice(0, 30)} was not found` });
  const slot = capture.slot(capture.writer.ref(key, { parent: step, text: ".[key]" }));
  unit.parts.computedKeys.push({ member, key, slot });
  (member["static"] ? declared.statics : declared.methods).add(key);
}

/** Methods that were replaced since (decorated, patched) are not noted: they are sent as properties. */
function noteDeclared(unit: CodeUnit, fn: CallableObject, member: SyntaxNode, declared: DeclaredKeys): void {
  if (member.type !== "MethodDefinition" || member["computed"] || member["kind"] === "constructor") return;
  if (member["key"].type === "PrivateIdentifier") return;
  const key = keyName(member["key"]);
  if (methodText(ownerOf(fn, member), key, member["kind"]) !== memberText(unit, member)) return;
  (member["static"] ? declared.statics : declared.methods).add(key);
}

function ownerOf(fn: CallableObject, member: SyntaxNode): object {
  return member["static"] ? fn : (fn as unknown as { prototype: object }).prototype;
}

function memberText(unit: CodeUnit, member: SyntaxNode): string {
  const { offset } = unit.parsed;
  return unit.text.slice(member.start - offset, member.end - offset).replace(/^static\s*/, "");
}

function methodText(owner: object, key: PropertyKey, kind: string): string | undefined {
  const descriptor = Object.getOwnPropertyDescriptor(owner, key);
  const method: unknown =
    kind === "get" ? descriptor?.get : kind === "set" ? descriptor?.set : descriptor?.value;
  return typeof method === "function" ? textOf(method) : undefined;
}
