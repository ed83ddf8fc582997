import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { clean } from "../../src/cli/clean.ts";
import type { KeyValueStore } from "../../src/storage/kv/contract.ts";
import { openMemoryKeyValueStore } from "../../src/storage/kv/memory.ts";
import { objectsOnKeys } from "../../src/storage/objects-on-keys/store.ts";
import { parseRedisLocation } from "../../src/storage/redis/location.ts";
import { openRedisKeyValueStore } from "../../src/storage/redis/store.ts";
import { patternOf } from "../conformance/object-store-helpers.ts";
import { describeWith } from "../services/services.ts";

const DAY_MS = 24 * 3_600_000;
const BYTES = 3_000_000;

type Call = "exchange" | "delete";

/** The store of a writer that is killed at its first call of `last` about a name that begins with `prefix`. */
function killedAt(
  keys: KeyValueStore,
  last: Call,
  prefix: string,
): { store: KeyValueStore; killed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const store = new Proxy(keys, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        const about = [args[0]].flat()[0];
        if (name !== last || !String(about).startsWith(prefix)) return value.apply(target, args);
        resolve();
        // A dead process hears no answer.
        return new Promise(() => {});
      };
    },
  });
  return { store, killed: promise };
}

async function leftOf(keys: KeyValueStore): Promise<{ chunks: number; intents: number }> {
  const count = async (prefix: string) => {
    let found = 0;
    for await (const _ of keys.scan(prefix)) found += 1;
    return found;
  };
  return { chunks: await count("c/"), intents: await count("u/") };
}

it("chunks of a writer killed before their head are swept a day later, those of a living object aren't", async () => {
  const keys = openMemoryKeyValueStore();
  const beforeHead = killedAt(keys, "exchange", "o/");
  objectsOnKeys(beforeHead.store).put("lost", patternOf(BYTES));
  await beforeHead.killed;
  const afterHead = killedAt(keys, "delete", "u/");
  objectsOnKeys(afterHead.store).put("there", patternOf(BYTES));
  await afterHead.killed;
  expect(await leftOf(keys)).toEqual({ chunks: 6, intents: 2 });

  const store = objectsOnKeys(keys);
  await store.put("whole", patternOf(BYTES));
  expect(await leftOf(keys)).toEqual({ chunks: 9, intents: 2 });
  await store.sweep!(Date.now() - DAY_MS);
  expect(await leftOf(keys)).toEqual({ chunks: 9, intents: 2 });
  await store.sweep!(Date.now() + 1000);
  expect(await leftOf(keys)).toEqual({ chunks: 6, intents: 0 });
  for (const key of ["there", "whole"])
    expect(Buffer.compare(await store.get(key), patternOf(BYTES))).toBe(0);
  expect(await store.exists("lost")).toBe(false);
});

describeWith("redis", "in Redis", (redis) => {
  it("`kinglet clean` sweeps them", async () => {
    const storage = `${redis().url}/0?prefix=${randomUUID()}`;
    const keys = await openRedisKeyValueStore(parseRedisLocation(storage));
    const { store, killed } = killedAt(keys, "exchange", "o/");
    objectsOnKeys(store).put("lost", patternOf(BYTES));
    await killed;
    const later = (days: number) => ({ nowMs: () => Date.now() + days * DAY_MS, after: () => () => {} });
    await clean([], { storage, all: true }, later(0));
    expect(await leftOf(keys)).toEqual({ chunks: 3, intents: 1 });
    await clean([], { storage, all: true }, later(2));
    expect(await leftOf(keys)).toEqual({ chunks: 0, intents: 0 });
    await keys.close();
  });
});
