import type { Ref } from "../codec/graph/nodes.ts";
import type { ParsedFunction } from "./analyze.ts";
import type { VariableUse } from "./facts.ts";
import type { CodeLocation, Scope } from "./inspector.ts";
import type { FoundNode } from "./modules.ts";
import type { ImportReference } from "./references.ts";
import type { Script } from "./scripts.ts";
import type { CaptureStep } from "./steps.ts";
import type { SyntaxNode } from "./syntax.ts";

/** How a free variable of a function is provided where it is restored. */
export type Binding =
  /** A variable in a rebuilt scope: which of the function's scopes, and the node of its value. */
  | { readonly kind: "variable"; readonly depth: number; readonly ref: Ref }
  /** Read from the imported module each time, as an import binding is. */
  | { readonly kind: "import"; readonly reference: ImportReference };

/** Variables of a recipe live at module level, whatever the scopes. */
export const MODULE_DEPTH = -1;

/** A function or class sent by value: its text and what it needs around it. */
export interface CodeUnit {
  readonly id: number;
  /** The live function; undefined for a recipe. */
  readonly fn: object | undefined;
  readonly text: string;
  readonly parsed: ParsedFunction;
  readonly script: Script;
  readonly location: CodeLocation;
  readonly found: FoundNode | undefined;
  /** Offset of `text` in the script. */
  readonly start: number;
  /** `query  report.ts:13:15` */
  readonly label: string;
  readonly scopes: readonly Scope[];
  readonly bindings: Map<string, Binding>;
  readonly isStrict: boolean;
  /** A declaration, whose name is a variable of the outside: its own name is blanked. */
  readonly isDeclaration: boolean;
  readonly parts: UnitParts;
}

/** What is read from the live function and handed in by slot when it is restored. */
export interface UnitParts {
  thisSlot?: number;
  argumentsSlot?: number;
  homeSlot?: number;
  heritageSlot?: number;
  /** Computed keys of a class: member, key, slot. */
  computedKeys: { readonly member: SyntaxNode; readonly key: PropertyKey; readonly slot: number }[];
  /** Static private fields: name → slot. */
  staticPrivates: Map<string, number>;
}

export function isClassUnit(unit: CodeUnit): boolean {
  return unit.parsed.node.type === "ClassExpression" || unit.parsed.node.type === "ClassDeclaration";
}

/** A variable that a function needs, found in its scope number `depth`. */
export interface Variable {
  readonly unit: CodeUnit;
  readonly name: string;
  readonly value: unknown;
  readonly depth: number;
  readonly step: CaptureStep;
}

/** The variables that a function needs, its own name among them where that is a variable of the outside. */
export function freeVariables(unit: CodeUnit): Map<string, VariableUse[]> {
  const { facts, node } = unit.parsed;
  if (!unit.isDeclaration) return facts.free;
  return new Map([...facts.free, [node["id"].name as string, facts.selfUses]]);
}

/** Names that it assigns, its own included. */
export function assignedVariables(unit: CodeUnit): Set<string> {
  const { facts, node } = unit.parsed;
  if (!unit.isDeclaration || !facts.selfAssigned) return facts.assigned;
  return new Set([...facts.assigned, node["id"].name as string]);
}

export function hasVariable(scope: Scope, name: string): boolean {
  return scope.kind === "With Block" ? name in scope.variables : Object.hasOwn(scope.variables, name);
}
