import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { join } from "../../src/storage/bodies.ts";
import type { ObjectInfo, ObjectStore, StoreCapabilities } from "../../src/storage/contract.ts";
import { HOSTILE_KEYS, ORDINARY_KEYS } from "./object-store-keys.ts";
import { racePuts, type StoreModule } from "./put-race.ts";

/** A new, empty store. */
export interface OpenedStore {
  readonly store: ObjectStore;
  /** The same store once more, as another process sees it. Absent where it lives in one handle only. */
  readonly reopen?: () => Promise<ObjectStore>;
  /** For races between processes: how another process opens it. Absent where none can. */
  readonly module?: StoreModule;
  readonly cleanUp?: () => Promise<void>;
}

export interface SuiteOptions {
  /** What `open` gives; chooses the tests. */
  readonly capabilities: StoreCapabilities;
  /** Whether other handles, and other processes, see the same objects. Where not, say why. */
  readonly sharing: { readonly handles: true | string; readonly processes: true | string };
}

type Current = () => OpenedStore;

/**
 * The suite that every object store passes; a skipped test names its reason.
 *
 * @example
 * describeObjectStore("memory", async () => ({ store: openMemoryStore() }), {
 *   capabilities: { append: true, putIfAbsent: true, durable: false },
 *   sharing: { handles: "each store has its own memory", processes: "it lives in one process" },
 * });
 */
export function describeObjectStore(
  name: string,
  open: () => Promise<OpenedStore>,
  options: SuiteOptions,
): void {
  describe(`object store: ${name}`, () => {
    let opened: OpenedStore | undefined;
    const current: Current = () => opened!;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened?.store.close();
      await opened?.cleanUp?.();
    });

    it("has the capabilities that it is tested for", () => {
      expect(current().store.capabilities).toEqual(options.capabilities);
      expect(current().store.openLog !== undefined).toBe(options.capabilities.append);
    });
    describeObjects(current, options);
    describeRanges(current);
    describePutIfAbsent(current, options);
    describeListing(current);
    describeDeleting(current);
    describeKeys(current);
    describeLogs(current, options);
  });
}

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
const read = async (store: ObjectStore, key: string): Promise<string> =>
  Buffer.from(await store.get(key)).toString();
const listed = async (items: AsyncIterable<ObjectInfo>): Promise<string[]> =>
  (await all(items)).map(({ key }) => key);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function* streamOf(...pieces: (string | Uint8Array)[]): AsyncIterable<Uint8Array> {
  for (const piece of pieces) yield typeof piece === "string" ? text(piece) : piece;
}

/** Bytes in which every place can be told from its neighbours. */
function patternOf(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i += 1) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return bytes;
}

function unless(reason: true | string, title: string, test: () => Promise<void>): void {
  if (reason === true) it(title, test);
  else it.skip(`${title} (skipped: ${reason})`, test);
}

const FIVE_MEBIBYTES = 5 * 1024 * 1024 + 3;

function describeObjects(current: Current, { sharing }: SuiteOptions): void {
  describe("objects", () => {
    it.each([0, 1, 17, 4096, 65_536, 65_537, FIVE_MEBIBYTES])(
      "of %i bytes come back as they were",
      async (sizeBytes) => {
        const { store } = current();
        const bytes = patternOf(sizeBytes);
        await store.put("a/object", bytes);
        expect(Buffer.compare(await store.get("a/object"), bytes)).toBe(0);
        expect(Buffer.compare(join(await all(store.getStream("a/object"))), bytes)).toBe(0);
        expect(await store.head("a/object")).toMatchObject({ key: "a/object", sizeBytes });
      },
    );

    it.each([
      ["a list of chunks", () => [text("one "), text(""), text("two "), text("three")]],
      ["a stream", () => streamOf("one ", "", "two ", "three")],
      ["a slice of a larger buffer", () => text("zero one two three four").subarray(5, 18)],
    ])("can be put as %s", async (_what, body) => {
      const { store } = current();
      await store.put("o", body());
      expect(await read(store, "o")).toBe("one two three");
    });

    it("can be put as many chunks, and as an empty list or stream", async () => {
      const { store } = current();
      const chunks = Array.from({ length: 3000 }, (_, i) => text(`${i},`));
      await store.put("many", chunks);
      expect(Buffer.compare(await store.get("many"), join(chunks))).toBe(0);
      await store.put("none", []);
      await store.put("dry", streamOf());
      expect([(await store.get("none")).byteLength, (await store.get("dry")).byteLength]).toEqual([0, 0]);
    });

    it("of a big stream come back as they were", async () => {
      const { store } = current();
      const bytes = patternOf(FIVE_MEBIBYTES);
      const pieces = Array.from({ length: 50 }, (_, i) => bytes.subarray(i * 110_000, (i + 1) * 110_000));
      await store.put("big", streamOf(...pieces));
      expect(Buffer.compare(await store.get("big"), bytes)).toBe(0);
    });

    it("are replaced by a later put, whole", async () => {
      const { store } = current();
      await store.put("o", patternOf(100_000));
      expect(await store.put("o", text("short"))).toEqual({ created: true });
      expect(await read(store, "o")).toBe("short");
    });

    it("may be put again and again", async () => {
      const { store } = current();
      for (let i = 0; i < 3; i += 1) await store.put("o", text("same"));
      expect(await read(store, "o")).toBe("same");
      expect(await listed(store.list(""))).toEqual(["o"]);
    });

    it("are the bytes of the moment when put was awaited, whatever happens to the buffer later", async () => {
      const { store } = current();
      const bytes = text("before");
      await store.put("o", bytes);
      bytes.fill(0);
      (await store.get("o")).fill(1);
      expect(await read(store, "o")).toBe("before");
    });

    it("that aren't there are NOT_FOUND, undefined, or false", async () => {
      const { store } = current();
      await store.put("a/b", text("x"));
      for (const key of ["nothing", "a", "a/b/c", "a/c"]) {
        await expect(store.get(key)).rejects.toMatchObject({ code: "NOT_FOUND", key });
        await expect(all(store.getStream(key))).rejects.toMatchObject({ code: "NOT_FOUND", key });
        expect(await store.head(key)).toBeUndefined();
        expect(await store.exists(key)).toBe(false);
      }
      expect(await store.exists("a/b")).toBe(true);
    });

    it("know when they were put", async () => {
      const { store } = current();
      const beforeMs = Date.now();
      await store.put("o", text("x"));
      // File systems and servers have clocks of their own, and coarse ones.
      expect((await store.head("o"))!.modifiedMs).toBeGreaterThan(beforeMs - 60_000);
      expect((await store.head("o"))!.modifiedMs).toBeLessThan(Date.now() + 60_000);
    });

    it("are not there if the body's stream fails, and the error is the stream's own", async () => {
      const { store } = current();
      const failure = Object.assign(new Error("the user's file is gone"), { code: "ENOENT" });
      const body = (async function* () {
        yield text("half");
        throw failure;
      })();
      await expect(store.put("o", body)).rejects.toBe(failure);
      expect(await store.exists("o")).toBe(false);
      expect(await listed(store.list(""))).toEqual([]);
    });

    it("can be put and got in any number at once", async () => {
      const { store } = current();
      const keys = Array.from({ length: 60 }, (_, i) => `many/${i % 7}/${i}`);
      await Promise.all(keys.map((key) => store.put(key, text(key.repeat(2000)))));
      const values = await Promise.all(keys.map((key) => read(store, key)));
      expect(values).toEqual(keys.map((key) => key.repeat(2000)));
    });

    it("are seen whole or not at all by readers of a key that is put over and over", async () => {
      const { store } = current();
      const bodies = ["a", "b", "c"].map((letter) => text(letter.repeat(100_000)));
      await store.put("o", bodies[0]!);
      const writing = Promise.all(bodies.flatMap((body) => [store.put("o", body), store.put("o", body)]));
      for (let i = 0; i < 10; i += 1) {
        const got = await store.get("o");
        expect(got.byteLength).toBe(100_000);
        expect(new Set(got).size).toBe(1);
      }
      await writing;
    });

    it("obey a signal", async () => {
      const { store } = current();
      await store.put("o", text("x"));
      const signal = AbortSignal.abort(new Error("enough"));
      await expect(store.get("o", { signal })).rejects.toThrow("enough");
      await expect(store.put("p", text("x"), { signal })).rejects.toThrow("enough");
      await expect(all(store.getStream("o", { signal }))).rejects.toThrow("enough");
      expect(await store.exists("p")).toBe(false);
    });

    unless(sharing.handles, "are there for whoever opens the store again", async () => {
      const { store, reopen } = current();
      await store.put("a/b", text("kept"));
      const other = await reopen!();
      expect(await read(other, "a/b")).toBe("kept");
      expect(await listed(other.list(""))).toEqual(["a/b"]);
      await other.close();
    });
  });
}

function describeRanges(current: Current): void {
  describe("ranges", () => {
    it.each([
      ["the first bytes", 0, 3, "abc"],
      ["the middle", 3, 4, "defg"],
      ["the last bytes", 8, 2, "ij"],
      ["the whole", 0, 10, "abcdefghij"],
      ["no bytes", 4, 0, ""],
      ["more than there are", 7, 100, "hij"],
      ["past the end", 10, 5, ""],
      ["far past the end", 10_000, 5, ""],
      ["as much as there can be", 2, Number.MAX_SAFE_INTEGER, "cdefghij"],
    ])("give %s", async (_what, offsetBytes, lengthBytes, expected) => {
      const { store } = current();
      await store.put("o", text("abcdefghij"));
      const range = { offsetBytes, lengthBytes };
      expect(Buffer.from(await store.get("o", { range })).toString()).toBe(expected);
      expect(Buffer.from(join(await all(store.getStream("o", { range })))).toString()).toBe(expected);
    });

    it("of a big object cross any border", async () => {
      const { store } = current();
      const bytes = patternOf(FIVE_MEBIBYTES);
      await store.put("big", bytes);
      for (const [offsetBytes, lengthBytes] of [
        [65_535, 2],
        [1_048_570, 2_000_000],
        [5_242_879, 10],
      ] as const) {
        const range = { offsetBytes, lengthBytes };
        const expected = bytes.subarray(offsetBytes, offsetBytes + lengthBytes);
        expect(Buffer.compare(await store.get("big", { range }), expected)).toBe(0);
        expect(Buffer.compare(join(await all(store.getStream("big", { range }))), expected)).toBe(0);
      }
    });

    it.each([
      [-1, 2],
      [0, -1],
      [Number.NaN, 1],
    ])("that start at %d and go on for %d are refused", async (offsetBytes, lengthBytes) => {
      const { store } = current();
      await store.put("o", text("abc"));
      await expect(store.get("o", { range: { offsetBytes, lengthBytes } })).rejects.toThrow("range");
    });
  });
}

function describePutIfAbsent(current: Current, { capabilities, sharing }: SuiteOptions): void {
  const able = capabilities.putIfAbsent || "the store has no atomic put-if-absent";
  describe("put if absent", () => {
    unless(able, "creates once, and leaves what is there as it is", async () => {
      const { store } = current();
      expect(await store.put("o", text("first"), { ifAbsent: true })).toEqual({ created: true });
      expect(await store.put("o", text("second"), { ifAbsent: true })).toEqual({ created: false });
      expect(await store.put("o", streamOf("third"), { ifAbsent: true })).toEqual({ created: false });
      expect(await read(store, "o")).toBe("first");
    });

    unless(able, "counts an empty object as there", async () => {
      const { store } = current();
      await store.put("o", text(""));
      expect(await store.put("o", text("x"), { ifAbsent: true })).toEqual({ created: false });
    });

    unless(able, "creates again after a delete", async () => {
      const { store } = current();
      await store.put("o", text("first"), { ifAbsent: true });
      await store.delete(["o"]);
      expect(await store.put("o", text("second"), { ifAbsent: true })).toEqual({ created: true });
      expect(await read(store, "o")).toBe("second");
    });

    unless(able, "has exactly one winner among those who try at once, and keeps its bytes", async () => {
      const { store } = current();
      for (const sizeBytes of [10, 200_000]) {
        const key = `race/${sizeBytes}`;
        const puts = Array.from({ length: 12 }, (_, i) =>
          store.put(key, new Uint8Array(sizeBytes).fill(i), { ifAbsent: true }),
        );
        const winners = (await Promise.all(puts)).flatMap(({ created }, i) => (created ? [i] : []));
        expect(winners).toHaveLength(1);
        expect(new Set(await store.get(key))).toEqual(new Set(winners));
      }
    });

    unless(able === true ? sharing.processes : able, "has exactly one winner among processes", async () => {
      const { store, module } = current();
      const keys = Array.from({ length: 25 }, (_, i) => `race/${i}`);
      const wonBy = await racePuts(module!, keys, 4);
      for (const key of keys) {
        expect([key, wonBy.get(key)?.length]).toEqual([key, 1]);
        expect(new Set(await store.get(key))).toEqual(new Set(wonBy.get(key)));
      }
    });
  });
}

function describeListing(current: Current): void {
  describe("listing", () => {
    const KEYS = [
      "a",
      "a-b",
      "b/1",
      "b/10",
      "b/2",
      "b/c/d",
      "b/c.d",
      "b/ç",
      "b/\u{1f600}",
      "b/\uffee",
      "bb",
      "Z",
    ];

    async function fill(): Promise<ObjectStore> {
      const { store } = current();
      for (const key of KEYS) await store.put(key, text(key));
      return store;
    }

    it("gives all keys in the order of their code units, with sizes", async () => {
      const store = await fill();
      expect(await listed(store.list(""))).toEqual([...KEYS].sort());
      for (const info of await all(store.list(""))) expect(info.sizeBytes).toBe(Buffer.byteLength(info.key));
    });

    it.each(["b/", "b", "b/c", "b/c/", "b/1", "a", "none", "b/none/", "bb"])(
      "by the prefix %j",
      async (prefix) => {
        const store = await fill();
        expect(await listed(store.list(prefix))).toEqual(KEYS.filter((key) => key.startsWith(prefix)).sort());
      },
    );

    it.each(["", "a", "b/1", "b/c", "b/c.", "b/c/d", "b/", "b/zzz", "zzz"])(
      "goes on after %j",
      async (after) => {
        const store = await fill();
        expect(await listed(store.list("", { after }))).toEqual(KEYS.filter((key) => key > after).sort());
        const inFolder = KEYS.filter((key) => key.startsWith("b/") && key > after).sort();
        expect(await listed(store.list("b/", { after }))).toEqual(inFolder);
      },
    );

    it("of an empty store is empty", async () => {
      expect(await listed(current().store.list(""))).toEqual([]);
    });

    it("bears that objects are deleted meanwhile, and that nobody reads to the end", async () => {
      const store = await fill();
      for await (const { key } of store.list("")) await store.delete([key]);
      expect(await listed(store.list(""))).toEqual([]);
      await fill();
      for await (const { key } of store.list("")) if (key === "a") break;
      expect(await listed(store.list(""))).toHaveLength(KEYS.length);
    });

    it("pages through more than a thousand objects", async () => {
      const { store } = current();
      const keys = Array.from({ length: 1100 }, (_, i) => `n/${String(i).padStart(5, "0")}`);
      for (let i = 0; i < keys.length; i += 50) {
        await Promise.all(keys.slice(i, i + 50).map((key) => store.put(key, text(""))));
      }
      expect(await listed(store.list("n/"))).toEqual(keys);
      await store.delete(keys);
      expect(await listed(store.list(""))).toEqual([]);
    });
  });
}

function describeDeleting(current: Current): void {
  describe("deleting", () => {
    it("removes the objects named, and no others", async () => {
      const { store } = current();
      for (const key of ["a/1", "a/2", "a/3", "b"]) await store.put(key, text(key));
      await store.delete(["a/1", "a/3"]);
      expect(await listed(store.list(""))).toEqual(["a/2", "b"]);
      await expect(store.get("a/1")).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("bears what isn't there, what was named twice, and nothing", async () => {
      const { store } = current();
      await store.put("a/1", text("x"));
      await store.delete(["a/1", "a/1", "none", "no/such/folder", "a/1/below"]);
      await store.delete(["a/1"]);
      await store.delete([]);
      expect(await listed(store.list(""))).toEqual([]);
    });

    it("doesn't remove what lies below a key", async () => {
      const { store } = current();
      await store.put("a/b", text("x"));
      await store.delete(["a"]);
      expect(await read(store, "a/b")).toBe("x");
    });

    it("may go on beside puts into the same folder", async () => {
      const { store } = current();
      const rounds = Array.from({ length: 30 }, async (_, i) => {
        await store.put(`f/g/${i}`, text(`${i}`), { ifAbsent: store.capabilities.putIfAbsent });
        await store.delete([`f/g/${i}`]);
        await store.put(`f/g/h/${i}`, text(`${i}`));
      });
      await Promise.all(rounds);
      expect(await listed(store.list(""))).toHaveLength(30);
    });
  });
}

function describeKeys(current: Current): void {
  describe("keys", () => {
    it.each(HOSTILE_KEYS)("refuse $what", async ({ key }) => {
      const { store } = current();
      const expected = { code: "BAD_KEY" };
      await expect(async () => store.put(key, text("x"))).rejects.toMatchObject(expected);
      await expect(async () => store.get(key)).rejects.toMatchObject(expected);
      await expect(async () => all(store.getStream(key))).rejects.toMatchObject(expected);
      await expect(async () => store.head(key)).rejects.toMatchObject(expected);
      await expect(async () => store.delete([key])).rejects.toMatchObject(expected);
      await expect(async () => store.exists(key)).rejects.toMatchObject(expected);
      if (store.openLog) await expect(async () => store.openLog!(key)).rejects.toMatchObject(expected);
      if (store.localPath) await expect(async () => store.localPath!(key)).rejects.toMatchObject(expected);
      expect(await listed(store.list(""))).toEqual([]);
    });

    it("say what is wrong with them", async () => {
      await expect(current().store.get("../secrets")).rejects.toThrow(/"\.\.\/secrets".*"\.\." segment/);
    });

    it.each(["../", "a//", "/a", "a/../b", "a\\b"])("refuse the prefix %j", async (prefix) => {
      await expect(async () => all(current().store.list(prefix))).rejects.toMatchObject({ code: "BAD_KEY" });
    });

    it("may be all of these, each an object of its own", async () => {
      const { store } = current();
      for (const { key } of ORDINARY_KEYS) await store.put(key, text(`body of ${key}`));
      for (const { key } of ORDINARY_KEYS) {
        expect(await read(store, key)).toBe(`body of ${key}`);
        expect(await store.exists(key)).toBe(true);
      }
      expect(await listed(store.list(""))).toEqual(ORDINARY_KEYS.map(({ key }) => key).sort());
      await store.delete(ORDINARY_KEYS.map(({ key }) => key));
      expect(await listed(store.list(""))).toEqual([]);
    });
  });
}

function describeLogs(current: Current, { capabilities, sharing }: SuiteOptions): void {
  const able = capabilities.append || "the store can't append";
  describe("logs", () => {
    unless(able, "grow, and are read while they do", async () => {
      const { store } = current();
      const log = await store.openLog!("logs/w1.log");
      expect([log.key, log.sizeBytes]).toEqual(["logs/w1.log", 0]);
      expect(await read(store, "logs/w1.log")).toBe("");
      await log.append([text("one "), text(""), text("two ")]);
      expect(log.sizeBytes).toBe(8);
      expect(await read(store, "logs/w1.log")).toBe("one two ");
      await log.append([text("three")]);
      await log.append([]);
      await log.sync();
      const range = { offsetBytes: 4, lengthBytes: 100 };
      expect(Buffer.from(await store.get(log.key, { range })).toString()).toBe("two three");
      expect(Buffer.from(join(await all(store.getStream(log.key, { range })))).toString()).toBe("two three");
      await log.close();
      expect(await read(store, "logs/w1.log")).toBe("one two three");
      expect(await store.head(log.key)).toMatchObject({ sizeBytes: 13 });
      expect(await listed(store.list("logs/"))).toEqual(["logs/w1.log"]);
    });

    unless(able, "are never opened again, nor over an object", async () => {
      const { store } = current();
      const log = await store.openLog!("l");
      await log.append([text("x")]);
      await expect(async () => store.openLog!("l")).rejects.toMatchObject({ code: "BAD_KEY", key: "l" });
      await log.close();
      await expect(async () => store.openLog!("l")).rejects.toThrow("A log is never reopened");
      await store.put("o", text("object"));
      await expect(async () => store.openLog!("o")).rejects.toMatchObject({ code: "BAD_KEY" });
      expect([await read(store, "l"), await read(store, "o")]).toEqual(["x", "object"]);
    });

    unless(able, "that are closed take no more, and may be closed twice", async () => {
      const log = await current().store.openLog!("l");
      await log.close();
      await log.close();
      await expect(async () => log.append([text("x")])).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
    });

    unless(able, "take many small and some big appends", async () => {
      const { store } = current();
      const log = await store.openLog!("l");
      const chunks = Array.from({ length: 500 }, (_, i) => patternOf(i % 100 === 99 ? 300_000 : i % 50));
      for (let i = 0; i < chunks.length; i += 5) await log.append(chunks.slice(i, i + 5));
      await log.close();
      expect(Buffer.compare(await store.get("l"), join(chunks))).toBe(0);
    });

    unless(able, "are objects to put-if-absent and to delete", async () => {
      const { store } = current();
      const log = await store.openLog!("l");
      expect(await store.exists("l")).toBe(true);
      if (capabilities.putIfAbsent) {
        expect(await store.put("l", text("x"), { ifAbsent: true })).toEqual({ created: false });
      }
      await log.close();
      await store.delete(["l"]);
      expect(await store.exists("l")).toBe(false);
    });

    unless(able === true ? sharing.handles : able, "are read by another handle as they grow", async () => {
      const { store, reopen } = current();
      const other = await reopen!();
      const log = await store.openLog!("l");
      let known = 0;
      for (const piece of ["one ", "two ", "three"]) {
        await log.append([text(piece)]);
        const bytes = await other.get("l", { range: { offsetBytes: known, lengthBytes: 1000 } });
        expect(Buffer.from(bytes).toString()).toBe(piece);
        known += bytes.byteLength;
      }
      await expect(async () => other.openLog!("l")).rejects.toMatchObject({ code: "BAD_KEY" });
      await log.close();
      await other.close();
    });
  });
}
