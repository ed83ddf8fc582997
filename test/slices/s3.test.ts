import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Pool, PoolOptions } from "../../src/index.ts";
import type { SliceOptions } from "../../src/slices/options.ts";
import { homeOf } from "../../src/slices/patterns.ts";
import { sliceSet } from "../../src/slices/slice-set.ts";
import type { S3Location } from "../../src/storage/s3/location.ts";
import { openS3Store, type S3Store } from "../../src/storage/s3/store.ts";
import { type FaultProxy, openFaultProxy } from "../services/fault-proxy.ts";
import { describeWith } from "../services/services.ts";
import { rejection, testPool } from "../support/pools.ts";

describeWith("s3", "in a real S3 bucket", (s3) => {
  let bucket: string | undefined;
  let proxy: FaultProxy;
  let location: S3Location;
  let objects: S3Store;
  /** What was asked of the server: `GET /bucket/key`. */
  let asked: string[];
  let environment: NodeJS.ProcessEnv;
  let pool: Pool | undefined;
  /** Closed before the server is out of reach. */
  const newPool = (options?: PoolOptions): Pool => (pool = testPool(options));

  beforeEach(async () => {
    bucket ??= await s3().makeBucket();
    environment = { ...process.env };
    proxy = await openFaultProxy({ target: s3().endpoint, seed: 1 });
    asked = [];
    proxy.force("stall", (method, path) => {
      asked.push(`${method} ${decodeURIComponent(path)}`);
      return false; // it only looks
    });
    Object.assign(process.env, s3().env, { AWS_ENDPOINT_URL_S3: proxy.endpoint });
    const { region } = s3();
    location = { kind: "s3", bucket, prefix: randomUUID(), endpoint: proxy.endpoint, region };
    objects = openS3Store(location);
  });

  afterEach(async () => {
    await pool?.close();
    pool = undefined;
    await objects.close();
    await proxy.close();
    for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
    Object.assign(process.env, environment);
  });

  const url = (pattern: string) => `s3://${bucket}/${location.prefix}/${pattern}`;

  async function slices(pattern: string, options?: SliceOptions) {
    const found = [];
    for await (const slice of sliceSet(url(pattern), options, homeOf(location))) found.push(slice);
    return found;
  }

  const lines = (count: number) => Array.from({ length: count }, (_, n) => `${n},${"x".repeat(n % 97)}`);

  describe("pool.slices", () => {
    it("reads the records of objects in parts, gzip ones whole", async () => {
      const [a, b] = [lines(4000), lines(300)];
      await objects.put("logs/a.csv", Buffer.from(a.join("\r\n")));
      await objects.put("logs/deep/b.csv.gz", gzipSync(`${b.join("\n")}\n`));
      await objects.put("logs/empty.csv", Buffer.alloc(0));
      await objects.put("logs/c.md", Buffer.from("no"));
      const pool = newPool();
      const read = await pool.map(
        async (slice) => {
          const found: string[] = [];
          for await (const line of slice.lines()) found.push(line);
          return { name: slice.name, index: slice.index, lines: found };
        },
        pool.slices(url("logs/**/*.csv*"), { sliceBytes: 20_000 }),
      );
      expect(read.map(({ name, index }) => `${name} ${index}`)).toEqual([
        ...Array.from({ length: read.length - 1 }, (_, index) => `a.csv ${index}`),
        "b.csv.gz 0",
      ]);
      expect(read.length).toBeGreaterThan(10);
      expect(read.flatMap((one) => one.lines)).toEqual([...a, ...b]);
    });

    it("asks for what a slice needs, once", async () => {
      await objects.put("a.csv", Buffer.from(lines(10_000).join("\n")));
      const found = await slices("a.csv", { sliceBytes: 100_000 });
      expect(found.length).toBeGreaterThan(4);
      asked.length = 0;
      await found[2]!.text();
      const key = `/${bucket}/${location.prefix}/a.csv`;
      expect(asked).toEqual([`GET ${key}`, `HEAD ${key}`]);
    });

    it("notices that an object was replaced, shortened or removed since it was cut", async () => {
      const changes: ((key: string) => Promise<unknown>)[] = [
        (key) => objects.put(key, Buffer.from("two\ntwo\n")),
        (key) => objects.put(key, Buffer.from("o")),
        (key) => objects.delete([key]),
      ];
      for (const [number, change] of changes.entries()) {
        await objects.put(`${number}.txt`, Buffer.from("one\none\n"));
        const [slice] = await slices(`${number}.txt`);
        await change(`${number}.txt`);
        expect(await rejection(slice!.text())).toMatchObject({
          code: "INPUT_CHANGED",
          message: expect.stringContaining(`s3://${bucket}/${location.prefix}/${number}.txt has changed`),
        });
      }
    });

    it("loses nothing where connections break, answers end early and the server has too much to do", async () => {
      const all = lines(20_000).join("\n");
      await objects.put("a.csv", Buffer.from(all));
      const found = await slices("a.csv", { sliceBytes: 400_000 });
      expect(found.length).toBeGreaterThan(2);
      const faults = ["truncated", "resetBefore", "slowDown", "resetAfter", "truncated"] as const;
      for (const fault of faults) proxy.force(fault, (method) => method === "GET");
      let text = "";
      for (const slice of found) text += await slice.text();
      expect(text === all).toBe(true);
      expect(proxy.counts).toMatchObject({ truncated: 2, resetBefore: 1, slowDown: 1, resetAfter: 1 });
    });

    it("rejects the job where nothing matches, or there is no such bucket", async () => {
      const pool = newPool();
      const read = (pattern: string) => rejection(pool.map((slice) => slice.text(), pool.slices(pattern)));
      expect(await read(url("*.csv"))).toMatchObject({ code: "BAD_ARGUMENT" });
      const error = await read(`s3://no-such-${randomUUID()}/*.csv`);
      expect(error.message).toMatch(/no-such-/);
      expect(error.name).toBe("StoreError");
    });
  });

  it("pool.files gives objects as files", async () => {
    await objects.put("in/a.txt", Buffer.from("one\r\ntwo\n"));
    await objects.put("in/b.txt", Buffer.from("three"));
    const pool = newPool();
    const read = await pool.map(
      async (file) => {
        const lines: string[] = [];
        for await (const line of file.lines()) lines.push(line);
        let streamed = 0;
        for await (const chunk of file.stream()) streamed += chunk.length;
        return [file.name, lines.join("|"), streamed, await file.sizeBytes(), await file.text()];
      },
      pool.files(url("in/*.txt")),
    );
    expect(read).toEqual([
      ["a.txt", "one|two", 9, 9, "one\r\ntwo\n"],
      ["b.txt", "three", 5, 5, "three"],
    ]);
  });

  describe("as a pool's store", () => {
    const storage = () => `s3://${bucket}/${location.prefix}`;

    it("has broadcasts fetched once a worker, whatever the number of tasks and calls", async () => {
      const pool = newPool({ storage: storage(), concurrency: 2 });
      const table = pool.broadcast(new Map([["a", "x".repeat(100_000)]]));
      const values = await pool.map(
        (n) => [n, table.value.get("a")!.length],
        Array.from({ length: 40 }, (_, n) => n),
        { batch: 4 },
      );
      expect(values).toEqual(Array.from({ length: 40 }, (_, n) => [n, 100_000]));
      const inItems = await pool.map(
        ({ table, n }) => table.value.size + n,
        [
          { table, n: 1 },
          { table, n: 2 },
        ],
      );
      expect(inItems).toEqual([2, 3]);
      const isValue = (request: string) => request.includes("/values/");
      expect(asked.filter((request) => isValue(request) && request.startsWith("PUT")).length).toBe(1);
      const fetched = asked.filter((request) => isValue(request) && request.startsWith("GET")).length;
      expect(fetched).toBeGreaterThan(0);
      expect(fetched).toBeLessThanOrEqual(2);
    });

    it("keeps named objects, whose handles work in tasks and here", async () => {
      const pool = newPool({ storage: storage() });
      const handles = await pool.map((n, ctx) => ctx.store.put(`out/${n}.txt`, `number ${n}`), [1, 2]);
      expect(await handles[1]!.text()).toBe("number 2");
      expect(await pool.map((object) => object.text(), handles)).toEqual(["number 1", "number 2"]);
      expect((await pool.store.find("out/1.txt"))?.key).toBe("out/1.txt");
      const keys: string[] = [];
      for await (const object of pool.store.list("out/")) keys.push(object.key);
      expect(keys).toEqual(["out/1.txt", "out/2.txt"]);
      await pool.store.delete("out/1.txt", "out/2.txt");
      expect(await rejection(handles[0]!.bytes())).toMatchObject({ code: "NOT_FOUND" });
    });
  });
});
