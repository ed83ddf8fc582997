/**
 * Function → bytes and back. See docs/ARCHITECTURE.md, "Capture".
 */

/** A function with all that it needs, ready to be stored under `functions/<hash>`. */
export interface CapturedFunction {
  /** SHA-256 of `bytes`, hex. Equal functions with equal captured values have equal hashes in every process. */
  readonly hash: string;
  readonly bytes: Uint8Array;
  /** The function's name, or "" . */
  readonly name: string;
  /** Where it stands in the user's source, `report.ts:22:22`. */
  readonly location: string;
  /** "…is made again in the worker" and the like. */
  readonly warnings: readonly string[];
}

export interface CaptureOptions {
  /** `value`: send the user's own imported files' functions by value too; default `reference`. */
  readonly userFiles?: "reference" | "value";
}

/** In a worker: a function that was captured elsewhere. */
export interface RestoredFunction {
  readonly hash: string;
  readonly name: string;
  /**
   * The function with fresh captured state: nothing that an earlier instance assigned or mutated shows. Free when
   * nothing it captured can change (no captured variable assigned, no mutable captured object); otherwise costs a
   * re-link of its small captured objects. Captured plain data above a threshold is shared between instances and
   * frozen: writing to it throws.
   *
   * `scope` also decodes that task's item and encodes its result, so that classes are the same objects in all three.
   */
  instance(): FunctionInstance;
}

export interface FunctionInstance {
  readonly call: (...args: unknown[]) => unknown;
  /** Graph lane bound to this instance's classes. */
  readonly scope: import("../codec/contract.ts").GraphLane;
}
