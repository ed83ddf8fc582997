import type { Ref } from "../codec/graph/nodes.ts";
import { assignedVariables, type CodeUnit, MODULE_DEPTH } from "./code-unit.ts";
import type { CaptureContext } from "./context.ts";
import type { Scope } from "./inspector.ts";
import { scopePlaces } from "./places.ts";
import { sharersOfScope } from "./probe.ts";
import type { Script } from "./scripts.ts";

/** A scope that is rebuilt in the worker: what the functions in it share. */
export interface ScopeNode {
  readonly variables: Map<string, Ref>;
  readonly units: CodeUnit[];
  readonly children: ScopeNode[];
}

/** Module level of a script. */
export interface RootScope extends ScopeNode {
  readonly script: Script;
}

/**
 * Rebuilds the scopes of all functions as a tree. V8 gives copies of scopes, so whether two functions share one must
 * be found out: scopes of other places in the source, or with other contents, are different; equal ones are the same
 * unless that could be noticed, because someone assigns their variables: then a probe decides (see probe.ts).
 */
export function buildScopes(capture: CaptureContext): RootScope[] {
  const roots = new Map<Script, RootScope>();
  const paths = capture.units.map((unit) => scopePath(unit));
  for (const unit of capture.units) {
    if (!roots.has(unit.script))
      roots.set(unit.script, { script: unit.script, variables: new Map(), units: [], children: [] });
  }
  for (const [script, root] of roots) {
    const members = capture.units
      .filter((unit) => unit.script === script)
      .map((unit) => ({ unit, path: paths[unit.id]!, next: 0 }));
    fill(root, members, capture);
  }
  return [...roots.values()];
}

/** One scope of a unit: its number in `unit.scopes`, and where in the source it is, if that is certain. */
interface ScopeStep {
  readonly depth: number;
  readonly scope: Scope;
  readonly place: number;
  readonly isSingle: boolean;
}

interface Member {
  readonly unit: CodeUnit;
  /** Scopes below module level, outermost first. */
  readonly path: readonly ScopeStep[];
  readonly next: number;
}

function fill(node: ScopeNode, members: readonly Member[], capture: CaptureContext): void {
  for (const member of members) {
    const isRoot = member.next === 0;
    const here = member.path[member.next - 1];
    for (const [name, binding] of member.unit.bindings) {
      if (binding.kind !== "variable") continue;
      const belongs = isRoot ? isAtModuleLevel(member, binding.depth) : binding.depth === here!.depth;
      if (belongs && !node.variables.has(name)) node.variables.set(name, binding.ref);
    }
    if (member.next === member.path.length) node.units.push(member.unit);
  }
  const deeper = members.filter((member) => member.next < member.path.length);
  for (const group of groupBySignature(deeper)) {
    for (const same of splitByIdentity(group, capture)) {
      const child: ScopeNode = { variables: new Map(), units: [], children: [] };
      node.children.push(child);
      fill(
        child,
        same.map((member) => ({ ...member, next: member.next + 1 })),
        capture,
      );
    }
  }
}

function isAtModuleLevel({ unit, path }: Member, depth: number): boolean {
  return depth === MODULE_DEPTH || (depth < unit.scopes.length && !path.some((step) => step.depth === depth));
}

function groupBySignature(members: readonly Member[]): Member[][] {
  const groups: Member[][] = [];
  for (const member of members) {
    const step = member.path[member.next]!;
    const group = groups.find(([first]) => looksEqual(first!.path[first!.next]!, step));
    if (group) group.push(member);
    else groups.push([member]);
  }
  return groups;
}

function looksEqual(a: ScopeStep, b: ScopeStep): boolean {
  if (a.scope.kind !== b.scope.kind) return false;
  if (a.place >= 0 && b.place >= 0 && a.place !== b.place) return false;
  const names = Object.keys(a.scope.variables);
  if (names.length !== Object.keys(b.scope.variables).length) return false;
  return names.every(
    (name) => Object.hasOwn(b.scope.variables, name) && Object.is(read(a.scope, name), read(b.scope, name)),
  );
}

function read(scope: Scope, name: string): unknown {
  try {
    return scope.variables[name];
  } catch {
    return undefined; // not initialised yet
  }
}

/** Equal scopes whose variables nobody assigns may be one; others are told apart by a probe. */
function splitByIdentity(group: readonly Member[], capture: CaptureContext): Member[][] {
  if (group.every(({ path, next }) => path[next]!.isSingle)) return [[...group]];
  const functions = group.filter((member) => member.unit.fn);
  const variable = functions.length > 1 ? assignedIn(group) : undefined;
  if (variable === undefined) return [[...group]];
  return capture.inspector.withDebugger(() => {
    const classes: Member[][] = [];
    let rest = functions.map((member) => ({ ...member, depth: member.path[member.next]!.depth }));
    while (rest.length > 0) {
      const [first, ...others] = rest;
      const sharers = others.length > 0 ? sharersOfScope(capture, first!, others, variable) : [];
      classes.push([first!, ...sharers]);
      rest = others.filter((member) => !sharers.includes(member));
    }
    return classes;
  });
}

/** A variable of the group's scope that one of its functions assigns. */
function assignedIn(group: readonly Member[]): string | undefined {
  for (const { unit, path, next } of group) {
    const { depth } = path[next]!;
    for (const name of assignedVariables(unit)) {
      const binding = unit.bindings.get(name);
      if (binding?.kind === "variable" && binding.depth === depth) return name;
    }
  }
  return undefined;
}

/** The scopes of a function below the program's own, outermost first. */
function scopePath(unit: CodeUnit): ScopeStep[] {
  return scopePlaces(unit)
    .map((place, depth) => ({ ...place, depth, scope: unit.scopes[depth]! }))
    .filter(({ isRoot }) => !isRoot)
    .reverse();
}
