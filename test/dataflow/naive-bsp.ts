import type { Aggregator, Vertex } from "../../src/dataflow/index.ts";

export interface NaiveProgram<K, S, E, M, A> {
  readonly vertices: readonly (readonly [id: K, state: S, edges: E])[];
  readonly compute: (vertex: Vertex<K, S, E, M, A>, messages: readonly M[]) => void;
  readonly combine?: (a: M, b: M) => M;
  readonly aggregators?: Readonly<Record<string, Aggregator<number>>>;
  readonly missing?: "ignore" | ((id: K) => S);
  readonly maxSupersteps: number;
}

/** Pregel in a few lines, in memory: what `bsp` must give. Ids are primitives; messages come in no certain order. */
export function naiveBsp<K, S, E, M, A>(program: NaiveProgram<K, S, E, M, A>) {
  const { compute, combine, aggregators = {}, missing, maxSupersteps } = program;
  const vertices = new Map(
    program.vertices.map(([id, state, edges]) => [
      id,
      { state, edges: edges as E | undefined, halted: false },
    ]),
  );
  const initial = () =>
    Object.fromEntries(Object.entries(aggregators).map(([name, one]) => [name, one.initial]));
  let inboxes = new Map<K, M[]>();
  let aggregates = initial();
  let superstep = 0;
  for (; superstep < maxSupersteps; superstep++) {
    if (inboxes.size === 0 && [...vertices.values()].every(({ halted }) => halted)) break;
    const outboxes = new Map<K, M[]>();
    const given = new Map<string, number>();
    const count = vertices.size;
    for (const id of inboxes.keys()) {
      // A message to nobody is dropped when it arrives: until then nobody knows.
      if (vertices.has(id) || missing === "ignore") continue;
      vertices.set(id, { state: (missing as (id: K) => S)(id), edges: undefined, halted: false });
    }
    for (const [id, own] of vertices) {
      const messages = inboxes.get(id) ?? [];
      if (own.halted && messages.length === 0) continue;
      own.halted = false;
      const vertex = {
        ...{ id, state: own.state, edges: own.edges, superstep, count, aggregates },
        send(to: K, message: M) {
          const inbox = outboxes.get(to);
          if (!inbox) outboxes.set(to, [message]);
          else if (combine) inbox[0] = combine(inbox[0]!, message);
          else inbox.push(message);
        },
        aggregate(name: string, value: number) {
          const before = given.get(name);
          given.set(name, before === undefined ? value : aggregators[name]!.reduce(before, value));
        },
        halt() {
          own.halted = true;
        },
      };
      compute(vertex as never, messages);
      own.state = vertex.state;
    }
    inboxes = outboxes;
    aggregates = { ...initial(), ...Object.fromEntries(given) };
  }
  return {
    vertices: new Map([...vertices].map(([id, { state }]) => [id, state])),
    aggregates,
    supersteps: superstep,
  };
}
