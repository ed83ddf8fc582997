import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import { FrameBuffer } from "../../src/job/frames.ts";
import { LOG_START, readFrame, readLog } from "../../src/job/log-reader.ts";
import type { AppendPlace, LogWriter, ObjectStore, PutResult } from "../../src/storage/contract.ts";
import { withFaults } from "../../src/storage/layers/faults.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { segmentKey, withSegmentedLogs } from "../../src/storage/segmented-log.ts";
import { describeObjectStore } from "../conformance/object-store.ts";

/** A store without logs, as S3 is. */
function withoutLogs(inner: ObjectStore = openMemoryStore()): ObjectStore {
  const methods = ["get", "getStream", "put", "head", "list", "delete", "exists", "close"] as const;
  const rest = Object.fromEntries(
    methods.map((name) => [name, (inner[name] as (...args: unknown[]) => unknown).bind(inner)]),
  ) as unknown as ObjectStore;
  return { ...rest, description: "objects", capabilities: { ...inner.capabilities, append: false } };
}

describeObjectStore("memory with segmented logs", async () => ({ store: withSegmentedLogs(withoutLogs()) }), {
  capabilities: { append: "emulated", putIfAbsent: true, durable: false },
  sharing: { handles: "each store has its own memory", processes: "it lives in one process" },
});

const frame = (text: string): Uint8Array => {
  const buffer = new FrameBuffer();
  const start = buffer.begin();
  buffer.addText(text);
  buffer.finish(start);
  return buffer.bytes.subarray(0, buffer.end);
};

async function textsOf(store: ObjectStore, key = "log", from = LOG_START, upto?: number) {
  const texts: string[] = [];
  const place = await readLog(
    store,
    key,
    ({ payload }) => texts.push(Buffer.from(payload).toString()),
    from,
    upto,
  );
  return { texts, place };
}

/** A store whose puts wait until a test lets them go, in any order. */
class HeldPuts {
  readonly store: ObjectStore;
  readonly held: ((how: "done" | "lost" | "failed" | "late") => Promise<void>)[] = [];

  constructor(inner: ObjectStore) {
    const put: ObjectStore["put"] = (key, body, options) =>
      new Promise<PutResult>((resolve, reject) => {
        const unavailable = () => reject(new StoreError("STORE_UNAVAILABLE", "no answer came"));
        this.held.push(async (how) => {
          if (how === "failed") return unavailable();
          if (how === "late") unavailable(); // it takes effect after its sender has given up
          const result = await inner.put(key, body, options);
          if (how === "lost") unavailable();
          else if (how === "done") resolve(result);
        });
      });
    this.store = withSegmentedLogs({ ...withoutLogs(inner), put });
  }
}

describe("a log of segments", () => {
  it("puts what is appended meanwhile as one segment, one put at a time", async () => {
    const held = new HeldPuts(openMemoryStore());
    const log = (await held.store.openLog!("log")) as LogWriter;
    const first = log.append([frame("a")]);
    const rest = ["b", "c", "d"].map((text) => log.append([frame(text)]));
    expect(held.held).toHaveLength(1);
    await held.held[0]!("done");
    expect(await first).toEqual({ key: "log", offsetBytes: 0 });
    expect(held.held).toHaveLength(2);
    await held.held[1]!("done");
    expect(await Promise.all(rest)).toEqual([
      { key: "log.000001", offsetBytes: 0 },
      { key: "log.000001", offsetBytes: 9 },
      { key: "log.000001", offsetBytes: 18 },
    ]);
    expect(held.held).toHaveLength(2);
  });

  it("costs one put an append, and nothing before the first", async () => {
    const meter = withMeter(withoutLogs());
    const store = withSegmentedLogs(meter);
    const log = await store.openLog!("log");
    expect(meter.usage()).toEqual({});
    for (const text of ["a", "b", "c"]) await log.append([frame(text)]);
    await log.sync();
    await log.close();
    expect(Object.entries(meter.usage()).map(([name, { requests }]) => [name, requests])).toEqual([
      ["put", 3],
    ]);
  });

  it("a put that was repeated because its answer was lost finds its own segment", async () => {
    const inner = withoutLogs();
    let lost = 2;
    const put: ObjectStore["put"] = async (key, body, options) => {
      const result = await inner.put(key, body, options);
      return lost-- > 0 ? inner.put(key, body, options) : result;
    };
    const log = await withSegmentedLogs({ ...inner, put }).openLog!("log");
    for (const text of ["a", "b", "c"]) await log.append([frame(text)]);
    expect((await textsOf(withSegmentedLogs(inner))).texts).toEqual(["a", "b", "c"]);
  });

  it("after a put whose end nobody knows, nothing is appended any more", async () => {
    for (const how of ["lost", "failed", "late"] as const) {
      const inner = openMemoryStore();
      const held = new HeldPuts(inner);
      const log = (await held.store.openLog!("log")) as LogWriter;
      const appends = ["a", "b"].map(async (text) => log.append([frame(text)]));
      await held.held[0]!(how);
      for (const append of appends) await expect(append).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      await expect(async () => log.append([frame("c")])).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
      const { texts } = await textsOf(held.store).catch(() => ({ texts: [] }));
      expect(texts).toEqual(how === "failed" ? [] : ["a"]);
    }
  });

  it("somebody else's segment is never taken for its own", async () => {
    const store = withSegmentedLogs(withoutLogs());
    const log = await store.openLog!("log");
    await log.append([frame("a")]);
    await store.put(segmentKey("log", 1), frame("foreign"));
    await expect(log.append([frame("b")])).rejects.toMatchObject({ code: "BAD_KEY", key: "log.000001" });
    await expect(async () => log.append([frame("c")])).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
  });
});

describe("reading a log of segments", () => {
  it("goes on from any place, up to any sealed length", async () => {
    const store = withSegmentedLogs(withoutLogs());
    const log = await store.openLog!("log");
    const texts = Array.from({ length: 30 }, (_, i) => `record ${i}`);
    for (const text of texts.slice(0, 7)) await log.append([frame(text)]);
    const { place, texts: before } = await textsOf(store);
    expect([before, place.sizeBytes]).toEqual([texts.slice(0, 7), log.sizeBytes]);
    const sealed = log.sizeBytes;
    for (const text of texts.slice(7)) await log.append([frame(text)]);
    expect((await textsOf(store, "log", place)).texts).toEqual(texts.slice(7));
    expect((await textsOf(store, "log", LOG_START, sealed)).texts).toEqual(texts.slice(0, 7));
    expect((await textsOf(store, "log", LOG_START)).place.sizeBytes).toBe(log.sizeBytes);
  });

  it("asks for keys one after the other, never for a list", async () => {
    const meter = withMeter(withoutLogs());
    const store = withSegmentedLogs(meter);
    const log = await store.openLog!("log");
    for (let i = 0; i < 40; i++) await log.append([frame(`${i}`)]);
    const { place, texts } = await textsOf(store);
    expect([texts.length, place.segment]).toEqual([40, 40]);
    expect(meter.usage().list).toBeUndefined();
    expect(meter.usage().get!.requests).toBeLessThan(56);
    // Nothing new costs one request.
    const before = meter.usage().get!.requests;
    await textsOf(store, "log", place);
    expect(meter.usage().get!.requests - before).toBe(1);
  });

  it("costs two requests a segment, however many of its frames are read by themselves", async () => {
    const meter = withMeter(withoutLogs());
    const store = withSegmentedLogs(meter);
    const log = await store.openLog!("w.log");
    const texts = Array.from({ length: 100 }, (_, i) => `record ${i}`);
    const places = await Promise.all(texts.map((text) => log.append([frame(text)])));
    // The first goes alone, the others meanwhile gather.
    expect(new Set(places.map(({ key }) => key))).toEqual(new Set(["w.log", "w.log.000001"]));
    for (const [i, { key, offsetBytes }] of places.entries()) {
      const payload = await readFrame(store, key, offsetBytes, frame(texts[i]!).length);
      expect(Buffer.from(payload).toString()).toBe(texts[i]);
      payload.fill(0); // what was read is the reader's own
    }
    expect(meter.usage().get!.requests).toBe(3);
    const [{ key, offsetBytes }] = places as [AppendPlace];
    await store.delete([key]);
    await expect(readFrame(store, key, offsetBytes, 20)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("stops at a damaged segment: nothing behind it counts", async () => {
    const store = withSegmentedLogs(withoutLogs());
    const log = await store.openLog!("log");
    for (const text of ["a", "b", "c"]) await log.append([frame(text)]);
    const damaged = Uint8Array.from(await store.get("log.000001"));
    damaged[8]! ^= 1;
    await store.put("log.000001", damaged);
    expect((await textsOf(store)).texts).toEqual(["a"]);
  });

  it("is NOT_FOUND where there is no log", async () => {
    await expect(textsOf(withSegmentedLogs(withoutLogs()))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("whatever happens to its puts", () => {
  it("a log reads back as a prefix of what was appended, which holds all that was acknowledged", async () => {
    const fates = fc.constantFrom("done", "lost", "failed", "late") as fc.Arbitrary<
      "done" | "lost" | "failed" | "late"
    >;
    const steps = fc.array(
      fc.oneof({ weight: 3, arbitrary: fc.constant("append" as const) }, { weight: 2, arbitrary: fates }),
      {
        maxLength: 40,
      },
    );
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (plan, landsAtTheEnd) => {
        const held = new HeldPuts(openMemoryStore());
        const log = (await held.store.openLog!("log")) as LogWriter;
        const appended: string[] = [];
        const acknowledged = new Map<string, AppendPlace>();
        let sizeKnown = 0;
        for (const step of plan) {
          if (step === "append") {
            const text = `record ${appended.length}`;
            try {
              const append = log.append([frame(text)]) as Promise<AppendPlace>;
              appended.push(text);
              append.then(
                (place) => acknowledged.set(text, place),
                () => {},
              );
            } catch {
              break; // the log has ended
            }
          } else await held.held.shift()?.(step);
          await new Promise(setImmediate);
          // A reader in the middle of it sees a prefix, and never less than before.
          const { texts } = await textsOf(held.store).catch(() => ({ texts: [] as string[] }));
          expect(texts).toEqual(appended.slice(0, texts.length));
          expect(texts.length).toBeGreaterThanOrEqual(Math.max(sizeKnown, acknowledged.size));
          sizeKnown = texts.length;
        }
        // The writer is gone; what it had sent may still take effect.
        if (landsAtTheEnd) for (const land of held.held.splice(0)) await land("late");
        const { texts } = await textsOf(held.store).catch(() => ({ texts: [] as string[] }));
        expect(texts).toEqual(appended.slice(0, texts.length));
        for (const [text, { key, offsetBytes }] of acknowledged) {
          const payload = await readFrame(held.store, key, offsetBytes, frame(text).length);
          expect(Buffer.from(payload).toString()).toBe(text);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("also through a store that breaks and delays by a seed", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const inner = withoutLogs();
      const rates = { before: 0.05, after: 0.05, delay: 0.3 };
      const store = withSegmentedLogs(withFaults(inner, { seed, rates: { put: rates }, maxDelayMs: 1 }));
      const log = await store.openLog!("log");
      const results = await Promise.allSettled(
        Array.from({ length: 60 }, async (_, i) => {
          for (let turn = 0; turn < i % 7; turn++) await new Promise(setImmediate);
          return log.append([frame(`${i}`)]);
        }),
      );
      const read = new Set((await textsOf(withSegmentedLogs(inner)).catch(() => ({ texts: [] }))).texts);
      for (const [i, result] of results.entries()) {
        if (result.status === "fulfilled") expect(read, `seed ${seed}`).toContain(`${i}`);
      }
    }
  });
});
