import { isNativeError } from "node:util/types";
import type { Base } from "./nodes.ts";

/**
 * Errors in the graph. v8.serialize never sees one: its format for them differs between Node versions.
 * What the language made (its class, the stack as text) is the base; message, cause, errors, code and all else
 * are own properties and travel as such.
 */

const NATIVE_ERRORS: Record<string, ErrorConstructor | AggregateErrorConstructor> = {
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
  AggregateError,
};

/** A SuppressedError exists from Node 24 on. */
const suppressed = (globalThis as unknown as { SuppressedError?: ErrorConstructor }).SuppressedError;
if (suppressed) NATIVE_ERRORS["SuppressedError"] = suppressed;

/** The base of an error, or undefined for anything else. `mapStack` turns its stack to the user's own lines. */
export function errorBase(value: object, mapStack: (stack: string) => string): Base | undefined {
  if (value instanceof DOMException) {
    return ["domException", value.message, value.name, stackOf(value, mapStack)];
  }
  if (!isNativeError(value)) return undefined;
  return ["error", nativeName(value), stackOf(value, mapStack)];
}

/** The stack as text; undefined if it has none, or one that isn't a string and stays an ordinary property. */
function stackOf(value: Error, mapStack: (stack: string) => string): string | undefined {
  const descriptor = Object.getOwnPropertyDescriptor(value, "stack");
  if (!descriptor) return undefined;
  const stack: unknown = descriptor.get ? value.stack : descriptor.value;
  return typeof stack === "string" ? mapStack(stack) : undefined;
}

/** Name of the language's own class that the error is made of. */
function nativeName(value: object): string {
  for (
    let owner = Object.getPrototypeOf(value) as object | null;
    owner;
    owner = Object.getPrototypeOf(owner) as object | null
  ) {
    const ctor: unknown = Object.getOwnPropertyDescriptor(owner, "constructor")?.value;
    if (typeof ctor !== "function") continue;
    const name: unknown = Object.getOwnPropertyDescriptor(ctor, "name")?.value;
    if (typeof name === "string" && NATIVE_ERRORS[name]?.prototype === owner) return name;
  }
  return "Error";
}

/** A bare error of that base: no message, no own properties but the stack. */
export function makeError(base: Base & readonly ["error" | "domException", ...unknown[]]): object {
  if (base[0] === "domException") {
    const error = new DOMException(base[1], base[2]);
    setStack(error, base[3]);
    return error;
  }
  const name = base[1];
  const ctor = NATIVE_ERRORS[name] ?? Error;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    const error = name === "AggregateError" ? new AggregateError([]) : new (ctor as ErrorConstructor)();
    for (const key of Reflect.ownKeys(error)) if (key !== "stack") Reflect.deleteProperty(error, key);
    setStack(error, base[2]);
    return error;
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function setStack(error: object, stack: string | undefined): void {
  Reflect.deleteProperty(error, "stack");
  if (stack !== undefined)
    Object.defineProperty(error, "stack", {
      value: stack,
      writable: true,
      configurable: true,
      enumerable: false,
    });
}
