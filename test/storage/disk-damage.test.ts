import fs from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { newDiskStore } from "./disk-stores.ts";

let opened: ReturnType<typeof newDiskStore> | undefined;
afterEach(() => opened?.cleanUp?.());

async function storeWith(key: string, body: string): Promise<{ store: ObjectStore; file: string }> {
  opened = newDiskStore();
  const { store } = opened;
  await store.put(key, Buffer.from(body));
  return { store, file: store.localPath!(key) };
}

/** Files are read-only; damage doesn't ask. */
function overwrite(file: string, change: (bytes: Buffer) => Buffer): void {
  const changed = change(fs.readFileSync(file));
  const { mode } = fs.statSync(file);
  fs.rmSync(file);
  fs.writeFileSync(file, changed, { mode });
}

async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let sizeBytes = 0;
  for await (const piece of pieces) sizeBytes += piece.byteLength;
  return sizeBytes;
}

const BODY = "the outcome of a task";
const flip = (at: number) => (bytes: Buffer) => {
  bytes[at]! ^= 0x10;
  return bytes;
};

const DAMAGE: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
  ["its first byte changed", flip(0)],
  ["a byte in its middle changed", flip(10)],
  ["its last byte changed", flip(BODY.length - 1)],
  ["the footer's magic changed", flip(BODY.length + 1)],
  ["the footer's checksum changed", flip(BODY.length + 5)],
  ["the footer's length changed", flip(BODY.length + 9)],
  ["the last byte of its footer changed", flip(BODY.length + 15)],
  ["its last byte missing", (bytes) => bytes.subarray(0, -1)],
  ["its footer missing", (bytes) => bytes.subarray(0, BODY.length)],
  ["its second half missing", (bytes) => bytes.subarray(0, 15)],
  ["no bytes", () => Buffer.alloc(0)],
  ["only zeros, as after a power loss", (bytes) => Buffer.alloc(bytes.length)],
  ["bytes added", (bytes) => Buffer.concat([bytes, Buffer.from("more")])],
  ["another object's footer", (bytes) => Buffer.concat([bytes.subarray(0, 5), bytes.subarray(BODY.length)])],
];

describe("an object on disk with", () => {
  it.each(DAMAGE)("%s is STORE_CORRUPT, naming its key", async (_what, change) => {
    const { store, file } = await storeWith("out/a.bin", BODY);
    overwrite(file, change);
    const expected = {
      code: "STORE_CORRUPT",
      key: "out/a.bin",
      message: expect.stringContaining('"out/a.bin"'),
    };
    await expect(store.get("out/a.bin")).rejects.toMatchObject(expected);
    await expect(readAll(store.getStream("out/a.bin"))).rejects.toMatchObject(expected);
  });

  it("a damaged length is found by a read of a range", async () => {
    const { store, file } = await storeWith("a", BODY);
    overwrite(file, (bytes) => bytes.subarray(0, 15));
    await expect(store.get("a", { range: { offsetBytes: 0, lengthBytes: 4 } })).rejects.toMatchObject({
      code: "STORE_CORRUPT",
    });
  });

  it("a damaged byte in its last piece never reaches the reader of its stream", async () => {
    opened = newDiskStore();
    const { store } = opened;
    const bytes = Buffer.alloc(2_500_000, 7);
    await store.put("big", bytes);
    overwrite(store.localPath!("big"), flip(bytes.length - 1));
    let seenBytes = 0;
    const reading = (async () => {
      for await (const piece of store.getStream("big")) seenBytes += piece.byteLength;
    })();
    await expect(reading).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    expect(seenBytes).toBe(2 * 1024 * 1024);
  });

  it("damage is mended by putting it again", async () => {
    const { store, file } = await storeWith("a", BODY);
    overwrite(file, () => Buffer.alloc(3));
    await store.put("a", Buffer.from(BODY));
    expect(Buffer.from(await store.get("a")).toString()).toBe(BODY);
  });

  it("a mode that a copy of the folder lost is still an object", async () => {
    const { store, file } = await storeWith("a", BODY);
    fs.chmodSync(file, 0o644);
    expect(Buffer.from(await store.get("a")).toString()).toBe(BODY);
    expect(await store.head("a")).toMatchObject({ sizeBytes: BODY.length });
    overwrite(file, flip(3));
    await expect(store.get("a")).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });
});

it("the file of an object begins with its bytes, so that ranges of it are ranges of the object", async () => {
  const { store, file } = await storeWith("a", BODY);
  const { sizeBytes } = (await store.head("a"))!;
  expect(fs.readFileSync(file).subarray(0, sizeBytes).toString()).toBe(BODY);
});

it("the file of a log is its bytes and nothing else", async () => {
  opened = newDiskStore();
  const log = await opened.store.openLog!("l");
  await log.append([Buffer.from("frame")]);
  expect(fs.readFileSync(opened.store.localPath!("l"), "utf8")).toBe("frame");
});
