import type { Debugger } from "node:inspector";
import { CaptureError } from "../errors.ts";
import { anyArguments } from "./any-arguments.ts";
import { type CodeUnit, isClassUnit } from "./code-unit.ts";
import type { CaptureContext } from "./context.ts";
import type { Inspector } from "./inspector.ts";

/** One scope of one function. */
export interface ScopeOfUnit {
  readonly unit: CodeUnit;
  readonly depth: number;
}

/**
 * Which of `others` share a scope with `first`, of those whose contents look equal: `first` is entered and halted
 * before its first statement, `variable` is given a value that no one else has, and it is looked who sees it. The call
 * is abandoned and the value put back: no code of the user runs. Needs the inspector's debugger.
 *
 * @throws CaptureError if it can't be found out; a wrong guess would be a wrong result
 */
export function sharersOfScope<S extends ScopeOfUnit>(
  { inspector }: CaptureContext,
  first: ScopeOfUnit,
  others: readonly S[],
  variable: string,
): S[] {
  const entered = enterable(first.unit);
  const lookouts = others.map((other) => ({ other, fn: enterable(other.unit) }));
  const blind = entered ? lookouts.find(({ fn }) => !fn)?.other.unit : first.unit;
  if (!entered || blind)
    throw cannotTell(variable, first.unit, blind === first.unit ? others[0]!.unit : blind!);
  const before = first.unit.scopes[first.depth]!.variables[variable];
  let sharers: S[] | undefined;
  inspector.atEntry(entered, entering(entered, first.unit), (frame) => {
    const scopeNumber = numberInFrame(frame, first.unit.scopes.length - first.depth);
    if (scopeNumber === undefined) return;
    const mark = {};
    inspector.setVariable(frame, scopeNumber, variable, mark);
    try {
      sharers = lookouts
        .filter(({ fn, other }) => sees(inspector, fn!, other, variable, mark))
        .map(({ other }) => other);
    } finally {
      inspector.setVariable(frame, scopeNumber, variable, before);
    }
  });
  if (!sharers) throw cannotTell(variable, first.unit, others[0]!.unit);
  return sharers;
}

function cannotTell(variable: string, one: CodeUnit, other: CodeUnit): CaptureError {
  return new CaptureError(
    `captured variable "${variable}" can't be sent: V8 does not tell whether ${one.label} and ${other.label} share it`,
    {
      remedy: "Make them functions of one object that holds the variable as a property.",
      details: { variable, path: variable },
    },
  );
}

/** A function that can be called and sees the unit's scopes: itself, or a method of the class that it is. */
function enterable(unit: CodeUnit): object | undefined {
  if (!unit.fn || !isClassUnit(unit)) return unit.fn;
  const { prototype } = unit.fn as { prototype: object };
  for (const owner of [prototype, unit.fn]) {
    for (const key of Reflect.ownKeys(owner)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(owner, key)!;
      const method: unknown = value ?? get ?? set;
      const isOwn = typeof method === "function" && method !== unit.fn && key !== "constructor";
      if (isOwn && unit.text.includes(Function.prototype.toString.call(method))) return method as object;
    }
  }
  return undefined;
}

/** A call of `fn` that gets as far as its first statement, whatever parameters it takes apart. */
function entering(fn: object, unit: CodeUnit): () => unknown {
  const isGenerator = Boolean(unit.parsed.node["generator"] ?? unit.parsed.node["value"]?.generator);
  return () => {
    const result: unknown = Reflect.apply(fn as () => unknown, undefined, anyArguments() as unknown[]);
    return isGenerator ? (result as Iterator<unknown>).next() : result;
  };
}

/** The frame's chain begins with its own scopes; the last ones are those of the function, then the global one. */
function numberInFrame(frame: Debugger.CallFrame, depthFromOutside: number): number | undefined {
  const inner = frame.scopeChain.findLastIndex(({ type }) => type !== "global") + 1;
  const scopeNumber = inner - depthFromOutside;
  return scopeNumber > 0 ? scopeNumber : undefined;
}

function sees(
  inspector: Inspector,
  fn: object,
  { unit, depth }: ScopeOfUnit,
  variable: string,
  mark: object,
): boolean {
  const scope = inspector
    .function(fn)
    .scopes()
    .at(depth - unit.scopes.length);
  return scope?.variables[variable] === mark;
}
