import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { withRetry } from "../../src/storage/layers/retry.ts";
import { openS3Store, type S3Store, type S3StoreOptions } from "../../src/storage/s3/store.ts";
import { all, patternOf, streamOf } from "../conformance/object-store-helpers.ts";
import { type FaultProxy, type HttpFault, openFaultProxy } from "../services/fault-proxy.ts";
import { describeWith } from "../services/services.ts";
import { storeOn } from "./s3-fakes.ts";
import { fixed, newS3Location } from "./s3-stores.ts";

const MEBIBYTE = 1024 * 1024;
const FAST = { baseDelayMs: 1, maxDelayMs: 20 } as const;

describeWith("s3", "S3 behind a network that fails", (s3) => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function open(
    rates: Partial<Record<HttpFault, number>> = {},
    options: S3StoreOptions = {},
  ): Promise<{ proxy: FaultProxy; bare: S3Store; store: ReturnType<typeof withRetry> }> {
    const proxy = await openFaultProxy({ target: s3().endpoint, seed: 7, rates });
    const { accessKeyId, secretAccessKey } = s3();
    const location = { ...(await newS3Location(s3())), endpoint: proxy.endpoint };
    const bare = openS3Store(location, {
      ...fixed({ accessKeyId, secretAccessKey }),
      retry: { ...FAST, attempts: 12 },
      ...options,
    });
    closing.push(
      () => bare.close(),
      () => proxy.close(),
    );
    return { proxy, bare, store: withRetry(bare, { ...FAST, attempts: 12 }) };
  }

  it("a put-if-absent whose answer is lost has created its object, and the next one hasn't", async () => {
    const { proxy, store } = await open();
    proxy.force("resetAfter", (method) => method === "PUT");
    expect(await store.put("a", Buffer.from("mine"), { ifAbsent: true })).toEqual({ created: true });
    proxy.force("resetAfter", (method) => method === "PUT");
    expect(await store.put("a", Buffer.from("other"), { ifAbsent: true })).toEqual({ created: false });
    expect(Buffer.from(await store.get("a")).toString()).toBe("mine");
    expect(proxy.counts.resetAfter).toBe(2);
  });

  it("so has a stream's", async () => {
    const { proxy, store } = await open();
    proxy.force("resetAfter", (method) => method === "PUT");
    expect(await store.put("a", streamOf("mine"), { ifAbsent: true })).toEqual({ created: true });
    proxy.force("resetAfter", (method, path) => method === "PUT" && path.endsWith("/big"));
    const pieces = Array.from({ length: 17 }, () => patternOf(MEBIBYTE));
    expect(await store.put("big", streamOf(...pieces), { ifAbsent: true })).toEqual({ created: true });
    expect(await store.put("big", streamOf(...pieces), { ifAbsent: true })).toEqual({ created: false });
    expect(proxy.counts.resetAfter).toBe(2);
  });

  it("parts are joined once, though the answer to that is lost", async () => {
    const { proxy, store } = await open();
    const bytes = patternOf(33 * MEBIBYTE);
    proxy.force("resetAfter", (method, path) => method === "POST" && path.includes("uploadId="));
    proxy.force("resetAfter", (method, path) => method === "PUT" && path.includes("partNumber=2"));
    expect(await store.put("a", bytes)).toEqual({ created: true });
    expect(proxy.counts.resetAfter).toBe(2);
    expect(Buffer.compare(await store.get("a"), bytes)).toBe(0);
  });

  it("an answer that is cut short is asked for again", async () => {
    const { proxy, store } = await open();
    await store.put("a", patternOf(100_000));
    proxy.force("truncated", (method) => method === "GET");
    expect(Buffer.compare(await store.get("a"), patternOf(100_000))).toBe(0);
    expect(proxy.counts.truncated).toBe(1);
  });

  it("a byte that changes on its way up is noticed by the server, on its way down by the store", async () => {
    const { proxy, store } = await open();
    proxy.force("corruptedUpload", (method) => method === "PUT");
    await store.put("a", patternOf(10_000));
    proxy.force("corrupted", (method) => method === "GET");
    expect(Buffer.compare(await store.get("a"), patternOf(10_000))).toBe(0);
    expect([proxy.counts.corruptedUpload, proxy.counts.corrupted]).toEqual([1, 1]);
  });

  it("what stays wrong is STORE_CORRUPT, and names the key", async () => {
    const { proxy, store } = await open();
    await store.put("a/b", patternOf(10_000));
    for (let i = 0; i < 4; i += 1) proxy.force("corrupted", (method) => method === "GET");
    await expect(store.get("a/b")).rejects.toMatchObject({ code: "STORE_CORRUPT", key: "a/b" });
    proxy.force("corrupted", (method) => method === "GET");
    await expect(all(store.getStream("a/b"))).rejects.toMatchObject({ code: "STORE_CORRUPT", key: "a/b" });
  });

  it("so is a stream's object, by the checksums of its parts", async () => {
    const { proxy, store } = await open();
    const pieces = Array.from({ length: 17 }, () => patternOf(MEBIBYTE));
    await store.put("big", streamOf(...pieces));
    expect((await store.get("big")).byteLength).toBe(17 * MEBIBYTE);
    // Four reads of two pieces.
    for (let i = 0; i < 8; i += 1) proxy.force("corrupted", (method) => method === "GET");
    await expect(store.get("big")).rejects.toMatchObject({ code: "STORE_CORRUPT", key: "big" });
  });

  it("a server that asks for fewer requests gets fewer, and each is done", async () => {
    const { proxy, store } = await open({ slowDown: 0.05 });
    const keys = Array.from({ length: 60 }, (_, i) => `k/${i}`);
    await Promise.all(keys.map((key) => store.put(key, Buffer.from(key))));
    expect(proxy.counts.slowDown).toBeGreaterThan(0);
    const bodies = await Promise.all(keys.map(async (key) => Buffer.from(await store.get(key)).toString()));
    expect(bodies).toEqual(keys);
  });

  it("a request that hangs is given up, and sent again", async () => {
    const { proxy, store } = await open({}, { stallTimeoutMs: 500 });
    proxy.force("stall", (method) => method === "PUT");
    expect(await store.put("a", Buffer.from("x"), { ifAbsent: true })).toEqual({ created: true });
    expect(proxy.counts.stall).toBe(1);
  });

  it("puts, reads, lists and deletes under all faults at once are as without", async () => {
    const rates = {
      resetBefore: 0.05,
      resetAfter: 0.05,
      truncated: 0.05,
      slowDown: 0.02,
      corruptedUpload: 0.05,
    };
    const { store } = await open({ ...rates, corrupted: 0 });
    const keys = Array.from({ length: 40 }, (_, i) => `m/${String(i).padStart(2, "0")}`);
    const created = await Promise.all(
      keys.map(async (key, i) => (await store.put(key, patternOf(i * 1000), { ifAbsent: true })).created),
    );
    expect(created).toEqual(keys.map(() => true));
    for (const [i, key] of keys.entries()) expect((await store.get(key)).byteLength).toBe(i * 1000);
    expect((await all(store.list("m/"))).map(({ key }) => key)).toEqual(keys);
    await store.delete(keys);
    expect(await all(store.list("m/"))).toEqual([]);
  });
});

describe("S3's odd answers", () => {
  const created = (requests: string[], complete: { status?: number; body?: string }) =>
    storeOn(({ method, path }) => {
      requests.push(`${method} ${path.replace(/^.*\?/, "").replace(/=.*/, "")}`);
      if (path.endsWith("uploads=")) return { body: "<R><UploadId>u</UploadId></R>" };
      if (method === "POST") return complete;
      return { headers: { etag: '"e"' } };
    });

  it("an error within the success of joining parts is an error, and the parts are freed", async () => {
    const requests: string[] = [];
    const store = created(requests, { body: "<Error><Code>InternalError</Code></Error>" });
    await expect(store.put("a", patternOf(33 * MEBIBYTE))).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
    });
    expect(requests.at(-1)).toBe("DELETE uploadId");
  });

  it("a conflict of conditional writes is worth a retry", async () => {
    let puts = 0;
    const store = storeOn(() => {
      puts += 1;
      return puts === 1
        ? { status: 409, body: "<Error><Code>ConditionalRequestConflict</Code></Error>" }
        : {};
    });
    expect(await withRetry(store, FAST).put(randomUUID(), Buffer.from("x"), { ifAbsent: true })).toEqual({
      created: true,
    });
    expect(puts).toBe(2);
  });

  it("a range that is ignored is cut out of the whole", async () => {
    const store = storeOn(() => ({ status: 200, body: "abcdefghij" }));
    const range = { offsetBytes: 2, lengthBytes: 3 };
    expect(Buffer.from(await store.get("a", { range })).toString()).toBe("cde");
    expect(Buffer.from(await store.get("a")).toString()).toBe("abcdefghij");
  });
});
