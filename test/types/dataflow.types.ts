// Checked by `npm run types`: what must be accepted compiles, what must be rejected is marked @ts-expect-error.
import { type Dataset, gather, mapReduce, sort, treeReduce } from "../../src/dataflow/index.ts";
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
