import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BspOptions, bsp, type SuperstepReport } from "../../src/dataflow/index.ts";
import { withFaults } from "../../src/storage/layers/faults.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { inlinePool } from "./inline-pool.ts";
import { naiveBsp } from "./naive-bsp.ts";
import { collect } from "./shared-pool.ts";

type State = { readonly hash: number };
interface Aggregates {
  sum: number;
  most: number;
}
type Options = BspOptions<Given, number, State, number[], number, Aggregates>;
type Given = readonly [id: number, state: State, edges: number[]];

const PRIME = 10_007;
const sumOf = (a: number, b: number): number => (a + b) % PRIME;
const aggregators = {
  sum: { initial: 0, reduce: sumOf },
  most: { initial: -1, reduce: (a: number, b: number) => Math.max(a, b) },
};

/** A program without sense that uses all there is, and whose results tell any message that is lost, doubled or misled. */
const compute: Options["compute"] = (vertex, messages) => {
  const got = messages.reduce(sumOf, 0);
  const { hash } = vertex.state;
  const next = (hash * 31 + got * 7 + vertex.superstep + vertex.aggregates.sum + vertex.count) % PRIME;
  vertex.state = { hash: next };
  vertex.aggregate("sum", next);
  if (next % 2 === 0) vertex.aggregate("most", next);
  if (next % 4 !== 0) for (const to of vertex.edges ?? []) vertex.send(to, (next + to) % PRIME);
  if (next % 3 !== 0) vertex.halt();
};

const id = fc.integer({ min: 0, max: 30 });
/** Some edges lead to vertices that weren't given. */
const graph = fc
  .uniqueArray(id, { maxLength: 25 })
  .chain((ids) =>
    fc.tuple(...ids.map((one) => fc.tuple(fc.constant(one), fc.record({ hash: fc.nat(PRIME - 1) }), fc.array(id, { maxLength: 5 })))),
  ); // biome-ignore format: one graph
const settings = fc.record({
  partitions: fc.integer({ min: 1, max: 5 }),
  combined: fc.boolean(),
  placed: fc.boolean(),
  compression: fc.constantFrom("zstd" as const, "none" as const),
  itemsPerTask: fc.integer({ min: 1, max: 9 }),
  missing: fc.constantFrom("ignore" as const, (one: number) => ({ hash: one * 7 })),
  maxSupersteps: fc.integer({ min: 1, max: 9 }),
});
type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

const optionsOf = ({ combined, placed, ...rest }: Settings): Options => ({
  ...{ vertices: (given: Given) => [given], compute, aggregators, ...rest },
  ...(combined ? { combine: sumOf } : {}),
  ...(placed ? { partition: (one: number) => one % rest.partitions } : {}),
});

function expectNaive(found: Awaited<ReturnType<typeof run>>, given: readonly Given[], chosen: Settings) {
  const { combined, missing, maxSupersteps } = chosen;
  const expected = naiveBsp<number, State, number[], number, Aggregates>({
    ...{ vertices: given, compute: compute as never, aggregators, missing, maxSupersteps },
    ...(combined ? { combine: sumOf } : {}),
  });
  expect(new Map(found.vertices)).toEqual(expected.vertices);
  expect(found.vertices).toHaveLength(expected.vertices.size);
  expect(found).toMatchObject({ aggregates: expected.aggregates, supersteps: expected.supersteps });
}

const run = (pool: ReturnType<typeof inlinePool>, given: readonly Given[], options: Options) =>
  bsp<Given, number, State, number[], number, Aggregates>(pool, given as Given[], {
    ...options,
    output: undefined,
  });

describe("bsp", () => {
  it("gives what a naive one gives, for random graphs, partitions, combiners and limits", async () => {
    await fc.assert(
      fc.asyncProperty(graph, settings, async (given, chosen) => {
        const pool = inlinePool({ store: openMemoryStore() });
        expectNaive(await run(pool, given, optionsOf(chosen)), given, chosen);
        expect(await collect(pool.store.list())).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it("gives the same when workers die at any request, or the store is away after any", async () => {
    const faults = fc.record({ seed: fc.nat(1_000_000), every: fc.integer({ min: 2, max: 5 }) });
    await fc.assert(
      fc.asyncProperty(graph, settings, faults, async (given, chosen, { seed, every }) => {
        const store = openMemoryStore();
        const rates = { get: { before: 0.02 }, put: { before: 0.02, after: 0.05 } };
        // Every few attempts a worker dies at one of its first requests; before, in the middle, or after it.
        const attemptStore = (attempt: number) =>
          withFaults(store, {
            seed: seed + attempt,
            rates,
            ...(attempt % every === 0 ? { crashAt: (seed + attempt) % 9 } : {}),
          });
        const pool = inlinePool({ store, attemptStore });
        expectNaive(await run(pool, given, optionsOf(chosen)), given, chosen);
        expect(await collect(pool.store.list())).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it("makes again what got lost or damaged, of the last superstep or of the start", async () => {
    await fc.assert(
      fc.asyncProperty(graph, settings, fc.nat(1_000_000), async (given, chosen, seed) => {
        const store = openMemoryStore();
        const pool = inlinePool({ store });
        const reports: SuperstepReport<Aggregates>[] = [];
        // Between two supersteps: the first request of the next one comes too late to hinder it.
        let losing: Promise<unknown> | undefined;
        const onSuperstep = (report: SuperstepReport<Aggregates>) => {
          if (reports.push(report) === report.superstep + 1) losing = loseOne(report.superstep);
        };
        const loseOne = async (superstep: number) => {
          const last = await collect(store.list("named/dataflow/"));
          // Of the last superstep, or of the start.
          const folder = seed % 3 === 0 ? "/first/" : `/step-${superstep}/`;
          const keys = last.map(({ key }) => key).filter((key) => key.includes(folder));
          const one = keys[(seed + superstep) % Math.max(1, keys.length)];
          if (one === undefined) return;
          if (seed % 2 === 0) await store.delete([one]);
          else await store.put(one, Buffer.from("damaged"));
        };
        const map = async (...args: [never, never]) => {
          await losing;
          return pool.map(...args);
        };
        const gated = { ...pool, map } as never;
        expectNaive(await run(gated, given, { ...optionsOf(chosen), onSuperstep }), given, chosen);
        for (const report of reports) expect(report.remade).toBeLessThanOrEqual(1);
      }),
      { numRuns: 100 },
    );
  });
});
