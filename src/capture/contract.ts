/**
 * Function → bytes and back. See docs/ARCHITECTURE.md, "Capture".
 */

/** A function with all that it needs, ready to be stored under `functions/<hash>`. */
export interface CapturedFunction {
  /** SHA-256 of `bytes`, hex. Equal functions with equal captured values have equal hashes in every process. */
  readonly hash: string;
  /**
   * What the function is, wherever it stands: SHA-256 of its code, its captured values and the user's files that it imports.
   * Reads these files; taken only where a job has a name.
   */
  identity(): string;
  readonly bytes: Uint8Array;
  /** The function's name, or "" . */
  readonly name: string;
  /** Where it stands in the user's source, `report.ts:22:22`. */
  readonly location: string;
  /** "…is made again in the worker" and the like. */
  readonly warnings: readonly string[];
}

export interface CaptureOptions {
  /**
   * `reference` (default): of the files that the function's own file imports, the worker imports what is needed.
   * `value`: the user's own files don't travel; their functions, classes and values are sent instead. Packages are
   * imported in any case.
   */
  readonly userFiles?: "reference" | "value";
}

/** In a worker: a function that was captured elsewhere. */
export interface RestoredFunction {
  readonly name: string;
  /**
   * The function with fresh captured state: nothing that an earlier instance assigned or mutated shows.
   *
   * - Free (the same function each time) where nothing it captured can change: no captured variable assigned, no
   *   mutable captured object, no class, no captured function used otherwise than by calling it.
   * - Otherwise its code is evaluated and its captured objects are made anew: about 5 µs for a small closure, 10 µs with
   *   a class and an instance, 1 µs for each further object.
   * - Plain data (arrays, plain objects, Map, Set, Date) from 1,000 objects or 64 KiB on is decoded once a worker, frozen
   *   to its depths, and shared by all instances at no cost: writing to it throws a TypeError in strict code. Captured
   *   sloppy code that assigns properties would not notice, so it gets data of its own each time. (Sloppy code of
   *   *imported* packages still doesn't notice: JavaScript ignores its writes.)
   * - Typed arrays and ArrayBuffers can't be frozen: they are copied for each instance, at memcpy's speed.
   *
   * `scope` also decodes that task's item and encodes its result, so that classes are the same objects in all three.
   *
   * @throws TypeError if it stands for a module's export that is no function
   */
  instance(): FunctionInstance;
}

export interface FunctionInstance {
  readonly call: (...args: unknown[]) => unknown;
  /**
   * Graph lane bound to this instance's classes. Encoded under the root name `error`, an error that ended a task keeps
   * what can be sent of it: own properties that can't are left out instead of failing. Stacks lead to the user's files.
   */
  readonly scope: import("../codec/contract.ts").GraphLane;
}
