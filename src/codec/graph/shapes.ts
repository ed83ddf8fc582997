import * as types from "node:util/types";
import { isNative } from "./builtins.ts";
import type { GraphNode, Integrity } from "./nodes.ts";
import { REDUCE } from "./registry.ts";

export function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

export function isInline(value: unknown): value is null | string | boolean | number {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  return value === null || typeof value === "string" || typeof value === "boolean";
}

export function primitiveNode(value: unknown): GraphNode {
  if (value === undefined) return ["undefined"];
  if (typeof value === "bigint") return ["bigint", String(value)];
  return ["number", Object.is(value, -0) ? "-0" : (String(value) as "NaN")];
}

export function isValues(list: readonly unknown[]): boolean {
  return list.every(isInline) && Object.keys(list).length === list.length;
}

/** An ordinary object, array, Map or Set with nothing to hide: no class, no tag, not an iterator. */
export function isPlainShape(value: object): boolean {
  const prototype = typeof value === "function" ? undefined : (Object.getPrototypeOf(value) as object | null);
  if (prototype === Map.prototype || prototype === Set.prototype)
    return types.isMap(value) || types.isSet(value);
  if (prototype !== Object.prototype && !(prototype === Array.prototype && Array.isArray(value)))
    return false;
  if (types.isArgumentsObject(value) || Object.hasOwn(value, "constructor") || REDUCE in value) return false;
  return (
    !types.isModuleNamespaceObject(value) &&
    !types.isNativeError(value) &&
    !Object.hasOwn(value, Symbol.toStringTag)
  );
}

/** Object.prototype, of this or another realm. */
export function isPlainPrototype(prototype: object): boolean {
  if (prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "__lookupGetter__");
}

export function isNatural(prototype: object, natural: object | null): boolean {
  if (prototype === natural) return true;
  if (natural === null || types.isProxy(prototype)) return false;
  // The same builtin of another realm, a vm context's.
  const ctor: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof ctor === "function" && ctor.name === natural.constructor.name && isNative(ctor);
}

export function integrityOf(value: object): Integrity {
  if (Object.isExtensible(value)) return 0;
  if (ArrayBuffer.isView(value)) return 1;
  return Object.isFrozen(value) ? 3 : Object.isSealed(value) ? 2 : 1;
}

export function constructorName(value: object): string {
  for (let owner: object | null = value; owner; owner = Object.getPrototypeOf(owner) as object | null) {
    const ctor: unknown = Object.getOwnPropertyDescriptor(owner, "constructor")?.value;
    if (typeof ctor === "function" && !types.isProxy(ctor)) return ctor.name;
  }
  return "";
}
