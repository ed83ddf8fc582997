import type { Problem } from "./kinds.ts";
import type { GraphNode, PrivateRecord } from "./nodes.ts";
import { type PathStep, unserializable } from "./path.ts";

/**
 * What the graph needs to be told about functions and classes. Capture knows (it has the inspector); the codec
 * alone gets along without.
 */
export interface FunctionHook {
  /** The node of a function or class. @throws if it can't be sent */
  encodeFunction(fn: CallableObject, step: PathStep, home: object | undefined): GraphNode;
  /** A module namespace, or another value that can be had by importing it; undefined if it can't. */
  importReference(value: object | symbol): GraphNode | undefined;
  /** The `#private` fields of an instance, where it has any. */
  privateFields(instance: object, step: PathStep): readonly PrivateRecord[] | undefined;
  /** Target and handler of a proxy. */
  proxyParts(proxy: object): { readonly target: object; readonly handler: object } | undefined;
  /** True of functions of Node's own that are written in JavaScript. */
  isNodeFunction(fn: object): boolean;
  /** True of a function of the program: it is no builtin, and needn't be looked for among these. */
  isOwnCode(fn: object): boolean;
  /** Stack of an error in the user's own source lines. */
  mapStack(stack: string): string;
  /** True of an own property of an error that is not to be sent. */
  isLeftOut(error: object, key: PropertyKey): boolean;
  /** Throws the error that says why the value at `step` can't be sent. */
  fail(step: PathStep, problem: Problem): never;
}

export type CallableObject = (...args: never[]) => unknown;

/** For graphs without functions: values that only need their own contents. */
export const noFunctions: FunctionHook = {
  encodeFunction: (_fn, step) =>
    noFunctions.fail(step, { why: "it is a function, which can't be sent from here" }),
  importReference: () => undefined,
  privateFields: () => undefined,
  proxyParts: () => undefined,
  isNodeFunction: () => false,
  isOwnCode: () => false,
  mapStack: (stack) => stack,
  isLeftOut: () => false,
  fail(step, problem) {
    throw unserializable(step, problem);
  },
};
