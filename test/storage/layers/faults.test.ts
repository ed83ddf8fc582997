import { describe, expect, it } from "vitest";
import type { ObjectStore } from "../../../src/storage/contract.ts";
import {
  type FaultPlan,
  type FaultyStore,
  SimulatedCrash,
  withFaults,
} from "../../../src/storage/layers/faults.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";

const text = (value: string) => new Uint8Array(Buffer.from(value));
const read = async (store: ObjectStore, key: string) => Buffer.from(await store.get(key)).toString();

function faulty(plan: Partial<FaultPlan>): { inner: ObjectStore; store: FaultyStore } {
  const inner = openMemoryStore();
  return { inner, store: withFaults(inner, { seed: 1, ...plan }) };
}

describe("a store with faults", () => {
  it("can fail before anything happened", async () => {
    const { inner, store } = faulty({ rates: { put: { before: 1 } } });
    await expect(store.put("a", text("x"))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", key: "a" });
    expect(await inner.exists("a")).toBe(false);
  });

  it("can fail although it took effect", async () => {
    const { inner, store } = faulty({ rates: { put: { after: 1 }, delete: { after: 1 } } });
    await expect(store.put("a", text("x"))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", key: "a" });
    expect(await read(inner, "a")).toBe("x");
    await expect(store.delete(["a"])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(await inner.exists("a")).toBe(false);
  });

  it("fails in the same places for the same seed, in others for another, and about as often as its rate", async () => {
    const run = async (seed: number): Promise<string> => {
      const { store } = faulty({ seed, rates: { put: { before: 0.2, after: 0.1 } } });
      let outcomes = "";
      for (let i = 0; i < 400; i += 1) {
        outcomes += await store.put("a", text("x")).then(
          () => ".",
          () => "!",
        );
      }
      return outcomes;
    };
    const first = await run(7);
    expect(await run(7)).toBe(first);
    expect(await run(8)).not.toBe(first);
    const failures = first.replaceAll(".", "").length;
    expect(failures).toBeGreaterThan(400 * 0.28 * 0.6);
    expect(failures).toBeLessThan(400 * 0.28 * 1.4);
  });

  it("can tear an append, which ends the log", async () => {
    const { inner, store } = faulty({ seed: 3, rates: { append: { torn: 1 } } });
    const log = await store.openLog!("l");
    const append = async () => log.append([text("one "), text("two "), text("three")]);
    await expect(append()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", key: "l" });
    const left = await read(inner, "l");
    expect(left.length).toBeLessThan(13);
    expect("one two three".startsWith(left)).toBe(true);
    await expect(append()).rejects.toMatchObject({ code: "STORE_UNWRITABLE", key: "l" });
    expect(await read(inner, "l")).toBe(left);
  });

  it("lets an append that failed before anything happened be tried again", async () => {
    const { inner, store } = faulty({ seed: 2, rates: { append: { before: 0.5 } } });
    const log = await store.openLog!("l");
    let whole = "";
    for (let i = 0; i < 40; i += 1) {
      const done = await (async () => log.append([text(`${i} `)]))().then(
        () => true,
        () => false,
      );
      if (done) whole += `${i} `;
    }
    expect(await read(inner, "l")).toBe(whole);
    expect(whole.split(" ").length).toBeGreaterThan(5);
  });

  it("can be full", async () => {
    const { inner, store } = faulty({ fullAfterBytes: 10 });
    await store.put("a", text("123456"));
    await expect(store.put("b", text("12345"))).rejects.toMatchObject({ code: "STORE_FULL", key: "b" });
    const log = await store.openLog!("l");
    await expect(async () => log.append([text("12345678")])).rejects.toMatchObject({
      code: "STORE_FULL",
      key: "l",
    });
    expect(await read(inner, "l")).toBe("1234");
    await expect(async () => log.append([text("")])).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
    expect(await inner.exists("b")).toBe(false);
  });

  it("can be slow, by the clock that it is given", async () => {
    const delaysMs: number[] = [];
    const clock = {
      nowMs: () => 0,
      after(delayMs: number, callback: () => void) {
        delaysMs.push(delayMs);
        queueMicrotask(callback);
        return () => {};
      },
    };
    const { store } = faulty({ rates: { put: { delay: 1 } }, maxDelayMs: 500, clock });
    for (let i = 0; i < 20; i += 1) await store.put("a", text("x"));
    expect(delaysMs).toHaveLength(20);
    expect(Math.max(...delaysMs)).toBeLessThan(500);
    expect(Math.max(...delaysMs)).toBeGreaterThan(100);
  });

  it("stays synchronous where the store is", async () => {
    const { store } = faulty({});
    expect(store.exists("a")).toBe(false);
    const log = store.openLog!("l");
    expect(log).not.toBeInstanceOf(Promise);
    expect((await log).append([text("x")])).toEqual({ key: "l", offsetBytes: 0 });
  });
});

/** A small program, as a driver would write: data, then a record of it. */
async function program(store: ObjectStore): Promise<void> {
  await store.put("data", text("data"));
  await store.put("record", text("record"), { ifAbsent: true });
  const log = await store.openLog!("log");
  await log.append([text("frame")]);
  await log.sync();
  await store.delete(["data"]);
}

async function stateOf(store: ObjectStore): Promise<string> {
  const found: string[] = [];
  for await (const { key } of store.list("")) found.push(`${key}=${await read(store, key)}`);
  return found.join(" ");
}

describe("a crash", () => {
  it("can be placed at each boundary of input and output, and there are no others", async () => {
    const whole = faulty({});
    await program(whole.store);
    const boundaries = whole.store.boundaries();
    const states: string[] = [];
    for (let crashAt = 0; crashAt < boundaries; crashAt += 1) {
      const { inner, store } = faulty({ crashAt });
      await expect(program(store)).rejects.toBeInstanceOf(SimulatedCrash);
      states.push(await stateOf(inner));
    }
    expect(states).toEqual([
      "",
      "data=data",
      "data=data",
      "data=data record=record",
      "data=data record=record",
      "data=data log= record=record",
      "data=data log= record=record",
      "data=data log=fr record=record",
      "data=data log=frame record=record",
      "data=data log=frame record=record",
      "data=data log=frame record=record",
      "data=data log=frame record=record",
      "log=frame record=record",
    ]);
    const beyond = faulty({ crashAt: boundaries });
    await program(beyond.store);
  });

  it("is the end: no later call reaches the store", async () => {
    const { inner, store } = faulty({ crashAt: 1 });
    await expect(store.put("a", text("x"))).rejects.toBeInstanceOf(SimulatedCrash);
    await expect(store.put("b", text("x"))).rejects.toBeInstanceOf(SimulatedCrash);
    await expect(store.get("a")).rejects.toBeInstanceOf(SimulatedCrash);
    expect(() => store.exists("a")).toThrow(SimulatedCrash);
    expect(await stateOf(inner)).toBe("a=x");
  });

  it("may be a real one", async () => {
    let crashes = 0;
    const onCrash = () => {
      crashes += 1;
    };
    const { store } = faulty({ crashAt: 2, onCrash });
    await store.put("a", text("x"));
    await expect(store.get("a")).rejects.toBeInstanceOf(SimulatedCrash);
    await expect(store.get("a")).rejects.toBeInstanceOf(SimulatedCrash);
    expect(crashes).toBe(1);
  });
});
