// Checked by `npm run types`: what must be accepted compiles, what must be rejected is marked @ts-expect-error.
import {
  type BspResult,
  bsp,
  type Dataset,
  type Emit,
  gather,
  mapReduce,
  type None,
  sort,
  treeReduce,
} from "../../src/dataflow/index.ts";
import { openPool, type StoredObject } from "../../src/index.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._proof: Equal<A, B> extends true ? [] : [never]): void {}

const pool = openPool({ concurrency: 2 });
const sum = (a: number, b: number) => a + b;

export async function mapReduces(): Promise<void> {
  const counts = await mapReduce(pool, ["a b", "b"], {
    *map(line) {
      same<typeof line, string>();
      for (const word of line.split(" ")) yield [word, 1];
    },
    combine: (a, b) => {
      same<typeof a, number>();
      return a + b;
    },
  });
  same<typeof counts, [string, number][]>();

  const reduced = await mapReduce(pool, pool.slices("*.csv"), {
    async *map(slice) {
      for await (const line of slice.lines()) yield [line.length, line];
    },
    reduce: async (length, lines, ctx) => {
      same<typeof length, number>();
      same<typeof ctx.index, number>();
      for await (const line of lines) same<typeof line, string>();
      return { length };
    },
    output: { dataset: "lengths" },
  });
  same<typeof reduced, Dataset<{ length: number }>>();

  const next = await mapReduce(pool, reduced, {
    map: ({ length }) => [[length % 2 === 0, new Date(length)] as const],
    *reduce(even) {
      yield even ? "even" : "odd";
    },
  });
  same<typeof next, ("even" | "odd")[]>();

  const emitted = await mapReduce(pool, pool.map((n) => n + 1, [1]), {
    map(n, _ctx, emit: (key: bigint, value: number) => void) {
      emit(BigInt(n), n);
    },
    combine: sum,
    output: { objects: "sums", format: ([key, value]) => `${key} ${value.toFixed(1)}\n` },
  }); // biome-ignore format: shows one call
  same<typeof emitted, StoredObject[]>();
}

export async function texts(): Promise<void> {
  const words = await mapReduce(pool, pool.slices("*.txt"), {
    async map(slice, _ctx, emit: Emit<string, number>) {
      for await (const chunk of slice.chunks()) emit.text(chunk, 0, 1, 1);
    },
    combine: sum,
  });
  same<typeof words, [string, number][]>();
  mapReduce(pool, [1], {
    map(n, _ctx, emit: Emit<number, number>) {
      // @ts-expect-error keys are numbers
      emit.text(new Uint8Array(), 0, 1, n);
    },
    combine: sum,
  });
}

export function rejected(): void {
  const map = (n: number) => [[n, "text"] as const];
  // @ts-expect-error neither reduce nor combine
  mapReduce(pool, [1], { map });
  // @ts-expect-error combine of another type than the values
  mapReduce(pool, [1], { map, combine: sum });
  // @ts-expect-error map of another item
  mapReduce(pool, ["a"], { map, combine: (a: string) => a });
  // @ts-expect-error no such partitioning
  mapReduce(pool, [1], { map, combine: (a: string) => a, by: "random" });
  // @ts-expect-error records need an output
  sort(pool, "file", { lines: true });
  // @ts-expect-error no such place
  gather(pool, pool.map((n) => n, [1]), () => 1, { on: "here" }); // biome-ignore format: one line
}

export async function others(): Promise<void> {
  const sorted = await sort(pool, [{ name: "wren" }], { key: (bird) => bird.name });
  same<typeof sorted, { name: string }[]>();
  const dataset = await sort(pool, [1n], { key: Number, output: { dataset: "d" } });
  same<typeof dataset, Dataset<bigint>>();
  const objects = await sort(pool, "*.txt", { lines: true, output: { objects: "o" } });
  same<typeof objects, StoredObject[]>();
  const gathered = await gather(pool, pool.map((n) => `${n}`, [1]), async (values) => {
    for await (const value of values) same<typeof value, string>();
    return 1;
  }); // biome-ignore format: shows one call
  same<typeof gathered, number>();
  const united = await treeReduce(pool, pool.map((n) => [n], [1]), (a, b) => [...a, ...b]); // biome-ignore format: one line
  same<typeof united, number[]>();
}

const sumOf = { initial: 0, reduce: sum };

export async function computations(): Promise<void> {
  const ranked = await bsp(pool, [{ url: "a", links: ["b"] }], {
    *vertices(page) {
      yield [page.url, { rank: 1 }, page.links];
    },
    compute(page, ranks: readonly number[], ctx) {
      same<typeof page.id, string>();
      same<typeof page.state, { rank: number }>();
      same<typeof page.edges, string[]>();
      same<typeof page.aggregates, Readonly<{ change: number; names: string[] }>>();
      same<typeof ctx.index, number>();
      page.aggregate("names", [page.id]);
      for (const to of page.edges) page.send(to, ranks.length);
    },
    combine: (a, b) => {
      same<typeof a, number>();
      return a + b;
    },
    aggregators: { change: sumOf, names: { initial: [] as string[], reduce: (a, b) => [...a, ...b] } },
    until: ({ change, names }) => change < names.length,
    missing: (id) => ({ rank: id.length }),
    onSuperstep: ({ aggregates }) => same<typeof aggregates.names, string[]>(),
  });
  same<typeof ranked, BspResult<[string, { rank: number }][], { change: number; names: string[] }>>();

  // The type of messages is that of combine; of a job's results, into a dataset.
  const combined = await bsp(pool, pool.map((n) => BigInt(n), [1, 2]), {
    vertices: (id) => [[id, new Date(0)]],
    compute(vertex, messages) {
      same<typeof messages, readonly string[]>();
      same<typeof vertex.id, bigint>();
    },
    combine: (a: string, b: string) => a + b,
    partition: (id) => Number(id % 2n),
    output: { dataset: "dates" },
  }); // biome-ignore format: shows one call
  same<typeof combined, BspResult<Dataset<[bigint, Date]>, None>>();
}

export function rejectedComputations(): void {
  const vertices = (n: number) => [[n, `${n}`, [n]]] as const;
  // @ts-expect-error no compute
  bsp(pool, [1], { vertices });
  // @ts-expect-error vertices of another item
  bsp(pool, ["a"], { vertices, compute() {} });
  // @ts-expect-error a pair at least
  bsp(pool, [1], { vertices: (n) => [[n]], compute() {} });
  // @ts-expect-error combine of another type than the messages
  bsp(pool, [1], { vertices, compute(_, _messages: readonly string[]) {}, combine: sum });
  bsp(pool, [1], {
    vertices,
    compute(vertex, _messages: readonly number[]) {
      // @ts-expect-error ids are numbers
      vertex.send("1", 1);
      // @ts-expect-error messages are numbers
      vertex.send(1, "1");
      // @ts-expect-error states are strings
      vertex.state = 1;
      // @ts-expect-error edges don't change
      vertex.edges = [2];
      // @ts-expect-error no such aggregator
      vertex.aggregate("product", 1);
      // @ts-expect-error of another type
      vertex.aggregate("sum", "1");
    },
    aggregators: { sum: sumOf },
  });
}
