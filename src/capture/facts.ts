import type { SyntaxNode } from "./syntax.ts";

/** One use of a variable. Offsets are those of the parsed text. */
export interface VariableUse {
  readonly start: number;
  readonly end: number;
  /** `{ name }`: replacing it needs `name: …`. */
  readonly shorthand: boolean;
  /** `name(…)` or a template's tag: replacing it must not pass a `this`. */
  readonly called: boolean;
}

/** What a function needs of its surroundings. */
export interface FunctionFacts {
  /** Variables of the outside, with their uses. */
  readonly free: Map<string, VariableUse[]>;
  /** Of these, the ones it assigns. */
  readonly assigned: Set<string>;
  /** Of these, the ones used otherwise than by calling them. */
  readonly escaping: Set<string>;
  /** Uses of the function's own name, which are not in `free`. */
  readonly selfUses: VariableUse[];
  selfAssigned: boolean;
  selfEscapes: boolean;
  usesThis: boolean;
  usesNewTarget: boolean;
  usesSuper: boolean;
  usesEval: boolean;
  /** It assigns or deletes properties: `a.b = 1`, `a[0]++`. */
  writesProperties: boolean;
  /** `import.meta` and `import(…)`. */
  readonly metas: SyntaxNode[];
  readonly dynamicImports: SyntaxNode[];
  /** Private names of classes around it. */
  readonly privateNames: Set<string>;
}
