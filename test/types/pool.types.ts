// Checked by `npm run types`: what must be accepted compiles, what must be rejected is marked @ts-expect-error.
import {
  type Broadcast,
  type Context,
  type Future,
  type Job,
  openPool,
  type PoolFile,
  type PoolSlice,
  secret,
  task,
} from "../../src/index.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._proof: Equal<A, B> extends true ? [] : [never]): void {}

const pool = openPool({ concurrency: 2 });

export async function results(): Promise<void> {
  const doubled = pool.map((n) => n * 2, [1, 2, 3]);
  same<typeof doubled, Job<number>>();
  const awaited = await doubled;
  same<typeof awaited, number[]>();

  const texts = await pool.map(async (n: number, ctx) => `${ctx.index}:${n}`, new Set([1]));
  same<typeof texts, string[]>();

  const one = pool.run((input) => input.length, "text");
  same<typeof one, Future<number>>();
  same<Awaited<typeof one>, number>();

  const nothing = pool.run(() => new Date());
  same<typeof nothing, Future<Date>>();

  const settled = await pool.mapSettled((n) => String(n), [1]);
  same<typeof settled, PromiseSettledResult<string>[]>();

  for await (const value of doubled) same<typeof value, number>();
  for await (const { index, value } of doubled.completed()) {
    same<typeof index, number>();
    same<typeof value, number>();
  }
}

export function items(): void {
  async function* endless() {
    yield { id: 1 };
  }
  const ids = pool.map((item) => item.id, endless());
  same<typeof ids, Job<number>>();

  // Futures and jobs are items by their values.
  const future = pool.run(() => 5);
  same<typeof ids2, Job<string>>();
  const ids2 = pool.map((n) => n.toFixed(1), [future, future]);
  const chained = pool.map((n) => n > 1, ids);
  same<typeof chained, Job<boolean>>();
  const total = pool.run((all) => all.reduce((a, b) => a + b, 0), ids);
  same<typeof total, Future<number>>();
  const after = pool.run((n) => n + 1, future);
  same<typeof after, Future<number>>();

  const sizes = pool.map((file) => file.text(), pool.files("*.md"));
  same<typeof sizes, Job<string>>();
  pool.map((file: PoolFile) => file.name, pool.files("*.md"));

  const parts = pool.map((slice) => slice.bytes(), pool.slices("*.csv", { sliceBytes: 1e6, boundary: null }));
  same<typeof parts, Job<Uint8Array>>();
  pool.map((slice: PoolSlice) => slice.index, pool.slices(["a.bin", "b.bin"], { recordBytes: 100 }));
  // @ts-expect-error -- a boundary is text or bytes
  pool.slices("*.csv", { boundary: 10 });
}

export function context(): void {
  pool.map(
    (_item, ctx) => {
      same<typeof ctx, Context>();
      ctx.signal satisfies AbortSignal;
      ctx.attempt satisfies number;
      return ctx.pool.map((n) => n + 1, [1]);
    },
    [1],
  );
  const table: Broadcast<Map<string, number>> = pool.broadcast(new Map([["a", 1]]));
  pool.map((key) => table.value.get(key), ["a"]);
  const key = secret("HOME");
  pool.map(() => key.value.length, [1]);
  const tasks = task<typeof import("./tasks.ts")>(import.meta.url);
  const halves = pool.map(tasks.half, [1, 2]);
  same<typeof halves, Job<number>>();
  const named = pool.map(task<typeof import("./tasks.ts"), "half">(import.meta.url, "half"), [1]);
  same<typeof named, Job<number>>();
}

export function rejected(): void {
  // @ts-expect-error a string is no list of items
  pool.map((c: string) => c, "text");
  // @ts-expect-error the function takes strings, the items are numbers
  pool.map((text: string) => text.length, [1, 2]);
  // @ts-expect-error an item has no such property
  pool.map((item) => item.missing, [{ id: 1 }]);
  // @ts-expect-error there is no such option
  pool.map((n) => n, [1], { timeout: 5 });
  // @ts-expect-error a timeout is a number
  pool.map((n) => n, [1], { timeoutMs: "5" });
  // @ts-expect-error items are missing
  pool.map((n: number) => n);
  // @ts-expect-error ctx is no index
  pool.map((n, i) => n + i, [1]);
  // @ts-expect-error run's input doesn't fit its function
  pool.run((n: number) => n, "one");
  // @ts-expect-error no such store option
  openPool({ store: "x" });
  const tasks = task<typeof import("./tasks.ts")>(import.meta.url);
  // @ts-expect-error `rate` is no function
  pool.map(tasks.rate, [1]);
}
