import type { Problem } from "../codec/graph/kinds.ts";
import type { Ref } from "../codec/graph/nodes.ts";
import type { GraphWriter } from "../codec/graph/writer.ts";
import type { CodeUnit } from "./code-unit.ts";
import type { Imports } from "./imports.ts";
import type { Inspector, Scope } from "./inspector.ts";
import type { ImportReference } from "./references.ts";
import type { Script, Scripts } from "./scripts.ts";
import type { CaptureStep } from "./steps.ts";

/** What a capture keeps from one try to the next: see `TryAgain`. */
export interface CaptureChoices {
  /** Module-level variables, `script#name`, whose initialiser is run again in the worker. */
  readonly recipes: Set<string>;
  /** Functions sent by value although they could be imported. */
  readonly byValue: Set<object>;
  /** Own properties of errors that are left out, by error. */
  readonly leftOut: Map<object, Set<PropertyKey>>;
}

/** Thrown to begin a capture anew with other choices. */
export class TryAgain extends Error {}

/** An import binding that became a variable: fine as long as no captured function of its file assigns it. */
export interface CopiedImport {
  readonly file: string | undefined;
  readonly path: readonly string[];
  readonly step: CaptureStep;
}

/** One capture, as its parts see it: the graph that is being written, and the functions in it that travel as code. */
export interface CaptureContext {
  readonly writer: GraphWriter;
  readonly units: CodeUnit[];
  readonly slots: readonly Ref[];
  readonly imports: Imports;
  readonly warnings: string[];
  readonly inspector: Inspector;
  readonly scripts: Scripts;
  readonly choices: CaptureChoices;
  /** Imported variables whose value is sent, since their file is not imported in the worker. */
  readonly copies: CopiedImport[];
  /** A number by which the code asks for the value of `ref`. */
  slot(ref: Ref): number;
  /** How a function can be imported, if the module that defines it exports it. */
  ownExport(fn: object, script: Script, scopes: () => readonly Scope[]): ImportReference | undefined;
  /** True of functions of Node's own. */
  isNodeFunction(fn: object): boolean;
  /** @throws CaptureError, or `TryAgain` where another way is left */
  fail(step: CaptureStep, problem: Problem): never;
}
