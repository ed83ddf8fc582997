import * as types from "node:util/types";
import type { Base } from "./nodes.ts";

/** Why a value can't be sent, in the words of an error message. */
export interface Problem {
  /** After "can't be sent: ". */
  readonly why: string;
  readonly remedy?: string;
}

const OPEN_INSIDE = "Open it inside the function, or create it in its own module and import that.";

/** A live thing of this process: a socket, a server, a file handle… */
export function liveProblem(name: string, module: string | undefined): Problem {
  const what = module ? `a live ${name} of node:${module}` : `a live ${name}, an object with hidden state`;
  const remedy = name.startsWith("Abort")
    ? "Pass { signal } to map() to cancel the work; inside, use ctx.signal."
    : OPEN_INSIDE;
  return { why: `it is ${what}`, remedy };
}

/** What kinds of object can never be sent, each with its remedy; undefined for all others. */
export function unsendable(value: object): Problem | undefined {
  if (types.isWeakMap(value) || types.isWeakSet(value)) {
    return {
      why: `it is a ${types.isWeakMap(value) ? "WeakMap" : "WeakSet"}, whose entries can only be seen through their keys`,
      remedy: "Use a Map or Set, or make it inside the function.",
    };
  }
  if (value instanceof WeakRef || value instanceof FinalizationRegistry) {
    return {
      why: `it is a ${value instanceof WeakRef ? "WeakRef" : "FinalizationRegistry"}, which only has meaning in this process`,
      remedy: "Capture the object itself, or make it inside the function.",
    };
  }
  if (types.isPromise(value)) {
    return {
      why: "it is a Promise, pending work of this process",
      remedy: "Await it before the call, and capture its value.",
    };
  }
  if (isRunningIterator(value)) {
    const tag = String((value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] ?? "iterator");
    return {
      why: `it is a running ${tag}, which can't be copied`,
      remedy: "Spread it into an array first, or make it inside the function.",
    };
  }
  if (types.isSharedArrayBuffer(value)) {
    return {
      why: "it is a SharedArrayBuffer, memory of this process",
      remedy: "Copy it: new Uint8Array(shared).slice().",
    };
  }
  if (types.isExternal(value)) return { why: "it is memory of a native add-on", remedy: OPEN_INSIDE };
  if (types.isKeyObject(value) || types.isCryptoKey(value)) {
    return {
      why: `it is a ${types.isKeyObject(value) ? "KeyObject" : "CryptoKey"}; keys are not copied out of this process`,
      remedy: 'Export it and capture the bytes, or use secret("NAME").',
    };
  }
  const tag = toStringTag(value);
  if (tag?.startsWith("WebAssembly.")) {
    return {
      why: `it is a ${tag}, compiled code that has no bytes to send`,
      remedy:
        "Capture the bytes and compile them inside the function, or do it in a module of its own and import that.",
    };
  }
  if (types.isSymbolObject(value)) return { why: "it is a boxed symbol", remedy: "Use the symbol itself." };
  return undefined;
}

/** True of generators that have been called and of the language's own iterators. */
function isRunningIterator(value: object): boolean {
  if (types.isGeneratorObject(value) || types.isMapIterator(value) || types.isSetIterator(value)) return true;
  return (
    /Iterator$|Iterator Helper$/.test(toStringTag(value) ?? "") &&
    typeof (value as { next?: unknown }).next === "function"
  );
}

/** The tag, without running an accessor of the user's. */
function toStringTag(value: object): string | undefined {
  for (let owner: object | null = value; owner; owner = Object.getPrototypeOf(owner) as object | null) {
    const descriptor = Object.getOwnPropertyDescriptor(owner, Symbol.toStringTag);
    if (descriptor) return typeof descriptor.value === "string" ? descriptor.value : undefined;
  }
  return undefined;
}

/** Base of the kinds that hold no other values; containers are the writer's. */
export function simpleBase(value: object): Base | undefined {
  if (types.isDate(value)) return ["date", value.getTime()];
  if (types.isRegExp(value)) return ["regexp", value.source, value.flags, value.lastIndex];
  if (value instanceof URL) return ["url", value.href];
  if (value instanceof URLSearchParams) return ["searchParams", String(value)];
  const tag = toStringTag(value);
  if (tag?.startsWith("Temporal.") && "Temporal" in globalThis)
    return ["temporal", tag.slice(9), String(value)];
  return undefined;
}

/** The prototype that a fresh object of this base has. */
export function naturalPrototype(base: Base, value: object): object | null {
  switch (base?.[0]) {
    case undefined:
    case "arguments":
      return Object.prototype;
    case "array":
      return Array.prototype;
    case "date":
      return Date.prototype;
    case "regexp":
      return RegExp.prototype;
    case "map":
      return Map.prototype;
    case "set":
      return Set.prototype;
    case "url":
      return URL.prototype;
    case "searchParams":
      return URLSearchParams.prototype;
    case "arrayBuffer":
      return ArrayBuffer.prototype;
    case "domException":
      return DOMException.prototype;
    case "error":
    case "view":
    case "temporal":
      return globalPrototype(base[0] === "temporal" ? ["Temporal", base[1]] : [base[1]]);
    case "boxed":
      return Object.getPrototypeOf(Object((value as { valueOf(): unknown }).valueOf())) as object;
  }
}

function globalPrototype(path: readonly string[]): object | null {
  let value: unknown = globalThis;
  for (const name of path) value = (value as Record<string, unknown>)[name];
  return (value as { prototype: object }).prototype;
}

/** Own keys that the base itself brings along. */
export function isBaseKey(base: Base, key: PropertyKey): boolean {
  switch (base?.[0]) {
    case "array":
      return key === "length";
    case "regexp":
      return key === "lastIndex";
    case "error":
    case "domException":
      return key === "stack" && base.at(-1) !== undefined;
    case "boxed":
    case "view":
      return typeof key === "string" && /^(\d+|length)$/.test(key);
    case "arguments":
      return typeof key === "string" ? /^(\d+|length|callee)$/.test(key) : key === Symbol.iterator;
    default:
      return false;
  }
}
