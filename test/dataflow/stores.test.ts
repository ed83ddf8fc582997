import { describe, expect, it } from "vitest";
import { mapReduce, type ShuffleReport, sort } from "../../src/dataflow/index.ts";
import type { Pool } from "../../src/index.ts";
import { describeWith } from "../services/services.ts";
import { onRemoteStores } from "../support/job-stores.ts";
import { freshStorage, rejection, testPool } from "../support/pools.ts";
import { recordFiles, sortedRecords } from "./record-files.ts";
import { collect } from "./shared-pool.ts";

const words = ["to be or not to be", "that is the question", "", "be that as it may", "to go on"];

async function countWords(pool: Pool, options: object): Promise<Map<string, number>> {
  const found = await mapReduce(pool, words, {
    map(line, _ctx, emit: (word: string, one: number) => void) {
      for (const word of line.split(" ")) if (word !== "") emit(word, 1);
    },
    combine: (a, b) => a + b,
    ...{ partitions: 3, itemsPerTask: 1, ...options },
  });
  expect(found).toHaveLength(new Map(found).size);
  return new Map(found);
}

const counts = new Map<string, number>();
for (const word of words.join(" ").split(" ")) if (word !== "") counts.set(word, (counts.get(word) ?? 0) + 1);

/** What must hold wherever runs lie. */
function shuffles(open: () => { pool: Pool; options?: object }) {
  it("counts words by hash and in order, on one level and two", async () => {
    const { pool, options } = open();
    for (const by of ["hash", "sorted"]) {
      for (const levels of [1, 2]) expect(await countWords(pool, { by, levels, ...options })).toEqual(counts);
    }
    expect(await collect(pool.store.list("dataflow/"))).toEqual([]);
  });

  it("sorts records into objects of the pool's store", async () => {
    const { pool, options } = open();
    const records = recordFiles([30_000, 0, 50_000], 7);
    for (const levels of [1, 2] as const) {
      const rule = { recordBytes: 8, keyBytes: 4, partitions: 3, output: { objects: `sorted-${levels}` } };
      const objects = await sort(pool, records.files, { ...rule, levels, ...options });
      expect(objects.map(({ key }) => key)).toEqual([0, 1, 2].map((n) => `sorted-${levels}/part-0000${n}`));
      const found = await Promise.all(objects.map((object) => object.bytes()));
      expect(Buffer.concat(found).equals(sortedRecords(records.contents))).toBe(true);
    }
    expect(await collect(pool.store.list("dataflow/"))).toEqual([]);
  });

  it("makes what was deleted or damaged again, and leaves nothing behind", async () => {
    const { pool, options } = open();
    const { via } = (options ?? {}) as { via?: string[] };
    const stores = via ? via.map((location) => pool.store.at(location)) : [pool.store];
    let report: ShuffleReport | undefined;
    let losing: Promise<unknown> | undefined;
    /** The runs are there: the first one is deleted, the second one damaged. */
    const loseTwo = async () => {
      for (const store of stores) {
        const keys = (await collect(store.list("dataflow/"))).map(({ key }) => key);
        const [first, second] = ["map/0-", "map/1-"].map((part) => keys.find((key) => key.includes(part)));
        if (first) await store.delete(first);
        if (second) await store.put(second, "damaged");
      }
    };
    const rigged = new Proxy(pool, {
      get(target, name: keyof Pool) {
        if (name === "broadcast") {
          return (value: unknown) => {
            losing ??= loseTwo();
            return target.broadcast(value);
          };
        }
        if (name !== "map") return target[name];
        // Only what comes after the broadcast waits.
        return (...args: Parameters<Pool["map"]>) =>
          losing ? losing.then(() => target.map(...args)) : target.map(...args);
      },
    });
    const found = await mapReduce(rigged, [...Array(6).keys()], {
      map: (n) => [[n % 2, n] as const],
      combine: (a, b) => a + b,
      ...{ partitions: 2, itemsPerTask: 1, ...options },
      onReport: (one) => {
        report = one;
      },
    });
    expect(new Map(found)).toEqual(new Map([[0, 6], [1, 9]])); // biome-ignore format: a table
    expect(report).toMatchObject({ remade: 2 });
    for (const store of stores) expect(await collect(store.list("dataflow/"))).toEqual([]);
  });
}

const freshPool = () => testPool({ storage: freshStorage(), concurrency: 2, logs: false });

onRemoteStores(() => {
  shuffles(() => ({ pool: freshPool() }));
});

describeWith("redis", "from a store on disk via two databases of Redis", (redis) => {
  shuffles(() => ({
    pool: freshPool(),
    options: { via: [1, 2].map((db) => `${redis().url}/${db}?prefix=shuffle`) },
  }));
});

describeWith("redisCluster", "from a store on disk via a cluster of Redis", (cluster) => {
  shuffles(() => ({ pool: freshPool(), options: { via: [`${cluster().url}?prefix=shuffle`] } }));
});

describe("stores for intermediate data", () => {
  it("that are none, or can't be reached, are an error before anything runs", async () => {
    const pool = testPool({ concurrency: 1, logs: false });
    let mapped = 0;
    const wrong = (via: unknown) =>
      rejection(
        mapReduce(pool, [1], {
          map: (n) => {
            mapped++;
            return [[n, n] as const];
          },
          combine: (a, b) => a + b,
          via: via as string,
        }),
      );
    expect(await wrong("")).toMatchObject({ code: "BAD_OPTION" });
    expect(await wrong([])).toMatchObject({ code: "BAD_OPTION" });
    expect(await wrong("ftp://host")).toMatchObject({ code: "BAD_OPTION" });
    expect(await wrong("redis://:secret@host")).toMatchObject({ code: "BAD_OPTION" });
    expect(mapped).toBe(0);
    await pool.close();
  });
});
