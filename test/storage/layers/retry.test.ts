import { describe, expect, it } from "vitest";
import { type Clock, seededRandom } from "../../../src/clock.ts";
import { StoreError } from "../../../src/errors.ts";
import { withFaults } from "../../../src/storage/layers/faults.ts";
import { withRetry } from "../../../src/storage/layers/retry.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";

const unavailable = () => new StoreError("STORE_UNAVAILABLE", "the network is down");
const text = (value: string) => new Uint8Array(Buffer.from(value));

/** Time that passes at once, and remembers the waits. */
function jumpingClock(): Clock & { readonly waitsMs: number[] } {
  const waitsMs: number[] = [];
  return {
    waitsMs,
    nowMs: () => 0,
    after(delayMs, callback) {
      waitsMs.push(delayMs);
      queueMicrotask(callback);
      return () => {};
    },
  };
}

/** A memory store whose next calls of `get` fail so. */
function failing(...errors: unknown[]) {
  const store = openMemoryStore();
  const get = store.get.bind(store);
  let calls = 0;
  store.get = async (key, options) => {
    calls += 1;
    if (errors.length > 0) throw errors.shift();
    return get(key, options);
  };
  return { store, calls: () => calls };
}

describe("a store with retries", () => {
  it("tries again what was unavailable, and gives what came in the end", async () => {
    const { store, calls } = failing(unavailable(), unavailable());
    await store.put("a", text("x"));
    const retried = withRetry(store, { clock: jumpingClock() });
    expect(Buffer.from(await retried.get("a")).toString()).toBe("x");
    expect(calls()).toBe(3);
  });

  it("doesn't multiply the tries of retries that it goes around", async () => {
    const { store, calls } = failing(...Array.from({ length: 20 }, unavailable));
    const inner = withRetry(store, { attempts: 4, clock: jumpingClock() });
    const outer = withRetry(inner, { attempts: 3, clock: jumpingClock() });
    await expect(outer.get("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(calls()).toBe(4);
  });

  it("is more patient with a server that only asks for fewer requests", async () => {
    const busy = () => new StoreError("STORE_UNAVAILABLE", "slow down", { details: { throttled: true } });
    const { store, calls } = failing(...Array.from({ length: 9 }, busy));
    await store.put("a", text("x"));
    const retried = withRetry(store, { attempts: 3, throttledAttempts: 10, clock: jumpingClock() });
    expect(Buffer.from(await retried.get("a")).toString()).toBe("x");
    expect(calls()).toBe(10);
  });

  it("tells the store which try of one put it is", async () => {
    const store = openMemoryStore();
    const tries: unknown[] = [];
    store.put = async (_key, _body, options) => {
      tries.push(options?.tryOf);
      if (tries.length < 3) throw unavailable();
      return { created: true };
    };
    await withRetry(store, { clock: jumpingClock() }).put("a", text("x"), { ifAbsent: true });
    expect(tries).toMatchObject([{ earlierTries: 0 }, { earlierTries: 1 }, { earlierTries: 2 }]);
    expect(new Set(tries.map((each) => (each as { putId: string }).putId)).size).toBe(1);
  });

  it("gives up after its attempts, with the last error", async () => {
    const last = unavailable();
    const { store, calls } = failing(unavailable(), unavailable(), last, unavailable());
    await expect(withRetry(store, { attempts: 3, clock: jumpingClock() }).get("a")).rejects.toBe(last);
    expect(calls()).toBe(3);
  });

  it.each([
    new StoreError("NOT_FOUND", "no"),
    new StoreError("STORE_FULL", "no"),
    new StoreError("STORE_CORRUPT", "no"),
    new StoreError("STORE_UNWRITABLE", "no"),
    new Error("something else"),
  ])("doesn't try again after %s", async (error) => {
    const { store, calls } = failing(error);
    await expect(withRetry(store, { clock: jumpingClock() }).get("a")).rejects.toBe(error);
    expect(calls()).toBe(1);
  });

  it("waits at random below a bound that doubles up to a greatest one", async () => {
    const clock = jumpingClock();
    const { store } = failing(...Array.from({ length: 7 }, unavailable));
    const bounds = [100, 200, 400, 800, 1000, 1000];
    const random = seededRandom(5);
    const expected = bounds.map((bound) => random() * bound);
    const options = { attempts: 7, baseDelayMs: 100, maxDelayMs: 1000, clock, random: seededRandom(5) };
    await expect(withRetry(store, options).get("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(clock.waitsMs).toEqual(expected);
  });

  it("stops waiting when its signal is aborted", async () => {
    const aborting = new AbortController();
    let cancelled = 0;
    const clock: Clock = {
      nowMs: () => 0,
      after() {
        queueMicrotask(() => aborting.abort(new Error("enough")));
        return () => {
          cancelled += 1;
        };
      },
    };
    const { store, calls } = failing(unavailable());
    const getting = withRetry(store, { clock }).get("a", { signal: aborting.signal });
    await expect(getting).rejects.toThrow("enough");
    expect([calls(), cancelled]).toEqual([1, 1]);
  });

  it("never repeats an append, nor the opening of a log", async () => {
    for (const operation of ["append", "openLog"] as const) {
      const faulty = withFaults(openMemoryStore(), { seed: 1, rates: { [operation]: { before: 1 } } });
      const clock = jumpingClock();
      const store = withRetry(faulty, { clock });
      const open = async () => (await store.openLog!("l")).append([text("x")]);
      await expect(open()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      expect(clock.waitsMs).toEqual([]);
    }
  });

  it("doesn't repeat a put of a stream, which can be read only once", async () => {
    const faulty = withFaults(openMemoryStore(), { seed: 1, rates: { put: { before: 1 } } });
    const clock = jumpingClock();
    const body = (async function* () {
      yield text("x");
    })();
    await expect(withRetry(faulty, { clock }).put("a", body)).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
    });
    expect(clock.waitsMs).toEqual([]);
  });

  it("says created: false where a try that failed had created the object", async () => {
    const memory = openMemoryStore();
    const put = memory.put.bind(memory);
    const failures = [unavailable()];
    memory.put = async (...args) => {
      const result = await put(...args);
      if (failures.length > 0) throw failures.pop();
      return result;
    };
    const store = withRetry(memory, { clock: jumpingClock() });
    expect(await store.put("a", text("mine"), { ifAbsent: true })).toEqual({ created: false });
    expect(Buffer.from(await store.get("a")).toString()).toBe("mine");
  });

  it("goes on with a stream where it broke off, each piece once", async () => {
    const bytes = new Uint8Array(5_000_000).map((_, i) => i % 251);
    for (let seed = 1; seed <= 10; seed += 1) {
      const memory = openMemoryStore();
      await memory.put("big", bytes);
      const faulty = withFaults(memory, { seed, rates: { getStream: { before: 0.4 } } });
      const pieces: Uint8Array[] = [];
      for await (const piece of withRetry(faulty, { attempts: 50, clock: jumpingClock() }).getStream("big")) {
        pieces.push(piece);
      }
      expect([seed, Buffer.compare(Buffer.concat(pieces), bytes)]).toEqual([seed, 0]);
    }
  });

  it("goes on with a list after its last key", async () => {
    const memory = openMemoryStore();
    for (const key of ["a", "b", "c"]) await memory.put(key, text(key));
    const list = memory.list.bind(memory);
    let failures = 2;
    memory.list = async function* (prefix, options) {
      for await (const info of list(prefix, options)) {
        yield info;
        if (failures-- > 0) throw unavailable();
      }
    };
    const keys: string[] = [];
    for await (const { key } of withRetry(memory, { clock: jumpingClock() }).list("")) keys.push(key);
    expect(keys).toEqual(["a", "b", "c"]);
  });

  it("stays synchronous where the store is and nothing fails", () => {
    expect(withRetry(openMemoryStore()).exists("a")).toBe(false);
  });
});
