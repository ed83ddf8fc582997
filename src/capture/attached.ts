import { packGraph } from "../codec/graph/envelope.ts";
import type { GraphNode } from "../codec/graph/nodes.ts";
import { writeGraph } from "./capture-graph.ts";
import { textOf } from "./classes.ts";
import { isConstant } from "./closed.ts";
import { isClassUnit } from "./code-unit.ts";
import type { FunctionWriter } from "./function-writer.ts";

/** A class's graph, with what it looked like then. */
interface AttachedClass {
  readonly bytes: Uint8Array | undefined;
  readonly shape: readonly unknown[];
}

const attached = new WeakMap<object, AttachedClass>();

/**
 * A class as a graph of its own, to be attached to the items that hold instances of it: written once, however many
 * items there are. Undefined if it is no class, or one that can change (it has statics, or captured variables that
 * are no constants): then it travels with each item.
 */
export function attachedClass(fn: object): Uint8Array | undefined {
  if (!/^class\b/.test(textOf(fn))) return undefined;
  const shape = shapeOf(fn);
  const known = attached.get(fn);
  if (known && sameShape(known.shape, shape)) return known.bytes;
  const { graph, capture } = writeGraph(fn, (fn as { name: string }).name, {});
  const bytes = canChange(capture) ? undefined : packGraph(graph);
  attached.set(fn, { bytes, shape });
  return bytes;
}

function canChange(capture: FunctionWriter): boolean {
  return !capture.units.some(isClassUnit) || !isConstant(capture) || !capture.writer.nodes.every(isFixed);
}

function isFixed(node: GraphNode): boolean {
  switch (node[0]) {
    case "function":
      return node[2].every(([key]) => key === "name");
    case "undefined":
    case "primitive":
    case "number":
    case "bigint":
    case "symbol":
    case "builtin":
    case "import":
    case "prototypeOf":
      return true;
    default:
      return false;
  }
}

/** A class's own functions, by identity: one that is patched is written anew. */
function shapeOf(ctor: object): unknown[] {
  const shape: unknown[] = [Object.getPrototypeOf(ctor)];
  for (const owner of [ctor, (ctor as { prototype: object }).prototype]) {
    for (const key of Reflect.ownKeys(owner)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(owner, key)!;
      shape.push(key, value, get, set);
    }
  }
  return shape;
}

function sameShape(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, index) => Object.is(value, b[index]));
}
