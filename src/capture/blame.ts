import * as types from "node:util/types";
import type { Problem } from "../codec/graph/kinds.ts";
import type { PathStep } from "../codec/graph/path.ts";
import { isObject, isPlainPrototype } from "../codec/graph/shapes.ts";
import type { Inspector } from "./inspector.ts";
import type { Scripts } from "./scripts.ts";
import type { CaptureStep } from "./steps.ts";

/** The part of a capture that knows who made what. */
export interface Makers {
  readonly inspector: Inspector;
  readonly scripts: Scripts;
}

/** The nearest own property of an error on the way to `step` for which `take` is true. */
export function nearestErrorProperty(
  step: PathStep,
  take: (error: object, key: PropertyKey) => boolean,
): { readonly error: object; readonly key: PropertyKey } | undefined {
  for (let at: PathStep | undefined = step; at?.parent; at = at.parent) {
    if (at.owner && take(at.owner.object, at.owner.key)) return { error: at.owner.object, key: at.owner.key };
  }
  return undefined;
}

/** The package of node_modules whose code made `value`. */
export function packageOf(makers: Makers, value: unknown): string | undefined {
  if (!isObject(value) || types.isProxy(value)) return undefined;
  if (typeof value === "function") return packageOfFunction(makers, value);
  for (
    let owner = Object.getPrototypeOf(value) as object | null;
    owner && !isPlainPrototype(owner);
    owner = Object.getPrototypeOf(owner) as object | null
  ) {
    const name = packageOfFunction(makers, Object.getOwnPropertyDescriptor(owner, "constructor")?.value);
    if (name) return name;
  }
  return undefined;
}

function packageOfFunction({ inspector, scripts }: Makers, fn: unknown): string | undefined {
  if (typeof fn !== "function" || types.isProxy(fn)) return undefined;
  const { location } = inspector.function(fn);
  return location && scripts.get(location.scriptId).packageName;
}

/** The same problem; where a package made the variable, whose own state can't be sent, that is said. */
export function withMaker(makers: Makers, step: CaptureStep, problem: Problem): Problem {
  for (let at: CaptureStep | undefined = step; at; at = at.parent as CaptureStep | undefined) {
    const maker = at.cell && packageOf(makers, at.cell.value);
    if (!maker) continue;
    return {
      why: `${problem.why} ("${at.cell!.name}" was made by ${maker}, which keeps state of its own in it)`,
      remedy: "Make it inside the function, in a helper function, or in a module of its own and import that.",
    };
  }
  return problem;
}
