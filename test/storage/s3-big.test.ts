import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it } from "vitest";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { partsOf, slicesOf } from "../../src/storage/s3/parts.ts";
import { all, patternOf, streamOf } from "../conformance/object-store-helpers.ts";
import { describeWith } from "../services/services.ts";
import { newS3Store } from "./s3-stores.ts";

const MEBIBYTE = 1024 * 1024;
const PART_BYTES = 16 * MEBIBYTE;

describeWith("s3", "big objects in S3", (s3) => {
  const closing: ObjectStore[] = [];
  afterEach(async () => {
    for (const store of closing.splice(0)) await store.close();
  });
  const open = async () => {
    const opened = await newS3Store(s3());
    closing.push(opened.store);
    await opened.store.check();
    return opened.store;
  };

  it.each([
    ["just below the threshold", 2 * PART_BYTES - 1],
    ["at the threshold", 2 * PART_BYTES],
    ["with a short last part", 2 * PART_BYTES + 5],
  ])("%s come back as they were, whole and in ranges", async (_what, sizeBytes) => {
    const store = await open();
    const bytes = patternOf(sizeBytes);
    // Chunks that know nothing of parts.
    await store.put("big", [bytes.subarray(0, 7), bytes.subarray(7, 19_999_999), bytes.subarray(19_999_999)]);
    expect(Buffer.compare(await store.get("big"), bytes)).toBe(0);
    const range = { offsetBytes: PART_BYTES - 3, lengthBytes: 7 };
    expect(await store.get("big", { range })).toEqual(bytes.subarray(PART_BYTES - 3, PART_BYTES + 4));
    expect(await store.head("big")).toMatchObject({ sizeBytes });
  });

  it.each([PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES])(
    "of %i bytes, from a stream, are put if absent once",
    async (sizeBytes) => {
      const store = await open();
      const bytes = patternOf(sizeBytes);
      expect(await store.put("big", streamOf(bytes), { ifAbsent: true })).toEqual({ created: true });
      expect(await store.put("big", streamOf(patternOf(10)), { ifAbsent: true })).toEqual({ created: false });
      expect(await store.put("big", streamOf(bytes), { ifAbsent: true })).toEqual({ created: false });
      expect(Buffer.compare(await store.get("big"), bytes)).toBe(0);
    },
  );

  it("have one winner, of streams and buffers that race", async () => {
    const store = await open();
    const puts = [1, 2, 3].flatMap((i) => [
      store.put("race", streamOf(new Uint8Array(PART_BYTES + 1).fill(i)), { ifAbsent: true }),
      store.put("race", new Uint8Array(10).fill(10 + i), { ifAbsent: true }),
    ]);
    expect((await Promise.all(puts)).filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(await store.get("race")).size).toBe(1);
  });

  it("stream up and down in bounded memory", async () => {
    const store = await open();
    const sizeMebibytes = 240;
    const sent = createHash("sha256");
    let peakBytes = 0;
    // Only what is still in use counts.
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const observe = (): void => {
      collect();
      peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers);
    };
    const pieces = async function* (): AsyncIterable<Uint8Array> {
      for (let i = 0; i < sizeMebibytes; i += 1) {
        const piece = new Uint8Array(MEBIBYTE).fill(i);
        sent.update(piece);
        if (i % 8 === 0) observe();
        yield piece;
      }
    };
    const beforeBytes = process.memoryUsage().arrayBuffers;
    await store.put("big", pieces());
    const received = createHash("sha256");
    for await (const piece of store.getStream("big")) {
      received.update(piece);
      observe();
    }
    expect(received.digest("hex")).toBe(sent.digest("hex"));
    // Four parts on their way, one being filled or read, one that has just been sent.
    expect((peakBytes - beforeBytes) / MEBIBYTE).toBeLessThan(120);
    await store.delete(["big"]);
  });

  it("that fail half-way leave nothing, and the error is the stream's own", async () => {
    const store = await open();
    const failure = new Error("the user's file is gone");
    const body = (async function* () {
      for (let i = 0; i < 40; i += 1) yield patternOf(MEBIBYTE);
      throw failure;
    })();
    await expect(store.put("big", body)).rejects.toBe(failure);
    expect(await store.exists("big")).toBe(false);
  });

  it("that nobody reads to the end fetch no more", async () => {
    const store = await open();
    await store.put("big", patternOf(4 * PART_BYTES));
    for await (const piece of store.getStream("big")) {
      expect(piece.byteLength).toBe(PART_BYTES);
      break;
    }
    const stream = store.getStream("big", { signal: AbortSignal.timeout(1) });
    await expect(all(stream)).rejects.toThrow();
  });

  it("are the same bytes to other programs", async () => {
    const { store, location } = await newS3Store(s3());
    closing.push(store);
    await store.put("named/out/a.png", patternOf(1000));
    const { GetObjectCommand, S3Client } = await import("@aws-sdk/client-s3");
    const client = new S3Client({ ...s3(), credentials: s3(), forcePathStyle: true });
    const object = await client.send(
      new GetObjectCommand({ Bucket: location.bucket, Key: `${location.prefix}/named/out/a.png` }),
    );
    expect(Buffer.compare(await object.Body!.transformToByteArray(), patternOf(1000))).toBe(0);
  });
});

describe("parts", () => {
  it.each([0, 1, 99, 100, 101, 250, 300])("of %i bytes are full, but for the last", async (sizeBytes) => {
    const bytes = patternOf(sizeBytes);
    const chunks = [
      bytes.subarray(0, 33),
      bytes.subarray(33, 33),
      bytes.subarray(33, 140),
      bytes.subarray(140),
    ];
    const ofStream = await all(partsOf(streamOf(...chunks), 100));
    const ofList = [...slicesOf(chunks, 100)];
    for (const parts of [ofStream, ofList]) {
      const joined = parts.map((part) => Buffer.concat(part));
      expect(Buffer.compare(Buffer.concat(joined), bytes)).toBe(0);
      expect(joined.slice(0, -1).every((part) => part.byteLength === 100)).toBe(true);
    }
    expect(ofStream).toHaveLength(Math.max(1, Math.ceil(sizeBytes / 100)));
  });
});
