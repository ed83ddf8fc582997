import type { GraphNode } from "../codec/graph/nodes.ts";

/** What restored code was given in place of `import.meta`, `import()`, `require`: captured again, it is the same node. */
const specials = new WeakMap<object, GraphNode>();

export function rememberSpecial(value: object, node: GraphNode): void {
  specials.set(value, node);
}

export function knownSpecial(value: object): GraphNode | undefined {
  return specials.get(value);
}
