/** A value that all vertices make together in a superstep, and all can read in the next one. */
export interface Aggregator<T> {
  /** What is read where no vertex gave anything, and in superstep 0. */
  initial: T;
  /** Two values as one: associative. */
  reduce: (a: T, b: T) => T;
}

/**
 * A vertex, as `compute` sees it: one object for all vertices of a partition, so keep what is in it rather than itself.
 * `K`: ids, `S`: states, `E`: edges, `M`: messages, `A`: aggregated values by name.
 */
export interface Vertex<K, S, E, M, A> {
  readonly id: K;
  /** Assign it, or change what is in it. */
  state: S;
  /** As they were given at the start; they don't change. Undefined for a vertex that a message made. */
  readonly edges: E;
  /** From 0. */
  readonly superstep: number;
  /** Number of all vertices, as this superstep began. */
  readonly count: number;
  /** What the aggregators made of the last superstep. Read-only: arrays and objects are frozen. */
  readonly aggregates: Readonly<A>;
  /** Arrives in the next superstep. Don't change the message afterwards. */
  send(to: K, message: M): void;
  /** Gives a value to an aggregator. */
  aggregate<N extends keyof A>(name: N, value: A[N]): void;
  /** Votes to halt: not called again before a message comes. */
  halt(): void;
}

type AnyAggregators = Readonly<Record<string, Aggregator<unknown>>>;

/** What the vertices of a partition gave to aggregators. */
export class Partials {
  readonly #aggregators: AnyAggregators;
  readonly #values = new Map<string, unknown>();

  constructor(aggregators: AnyAggregators) {
    this.#aggregators = aggregators;
  }

  add(name: string, value: unknown): void {
    const aggregator = Object.hasOwn(this.#aggregators, name) ? this.#aggregators[name] : undefined;
    if (!aggregator) throw new TypeError(`vertex.aggregate: there is no aggregator ${JSON.stringify(name)}`);
    const { reduce } = aggregator;
    this.#values.set(name, this.#values.has(name) ? reduce(this.#values.get(name), value) : value);
  }

  get values(): ReadonlyMap<string, unknown> {
    return this.#values;
  }
}

/** Partials in order as one value a name. */
export function aggregated(
  aggregators: AnyAggregators,
  partials: readonly ReadonlyMap<string, unknown>[],
): Record<string, unknown> {
  const all = new Partials(aggregators);
  for (const partial of partials) for (const [name, value] of partial) all.add(name, value);
  const names = Object.keys(aggregators);
  return Object.fromEntries(
    names.map((name) => [name, all.values.has(name) ? all.values.get(name) : aggregators[name]!.initial]),
  );
}
