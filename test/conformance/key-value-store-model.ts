import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KeyValueStore, Version } from "../../src/storage/kv/contract.ts";
import type { KeyValueSuiteOptions, OpenedKeyValueStore } from "./key-value-store.ts";
import { all } from "./object-store-helpers.ts";

interface Known {
  value: number[];
  listed: boolean;
  version: Version;
}
type Model = Map<string, Known>;
type Step = fc.AsyncCommand<Model, KeyValueStore>;

/** A call, what it answers by the model, and how it changes the model. */
function step(
  shown: string,
  call: (store: KeyValueStore, model: Model) => Promise<unknown>,
  expected: (model: Model) => unknown,
): Step {
  return {
    check: () => true,
    toString: () => shown,
    async run(model, store) {
      // Both are made before the call: the model's answer is of the same moment.
      const answer = await call(store, model);
      const before = new Map([...model].map(([key, known]) => [key, known.value.slice()]));
      expect(plain(answer)).toEqual(expected(model));
      for (const [key, known] of model) {
        const versioned = (await store.getVersioned(key))!;
        expect([key, [...versioned.value]]).toEqual([key, known.value]);
        // An untouched key keeps its version, a written one has a new one.
        if (known.version !== "" && String(before.get(key)) === String(known.value) && !touched.has(known)) {
          expect([key, versioned.version]).toEqual([key, known.version]);
        }
        known.version = versioned.version;
      }
      touched.clear();
      expect((await all(store.list(""))).map(({ key }) => key)).toEqual(
        [...model].flatMap(([key, { listed }]) => (listed ? [key] : [])).sort(),
      );
    },
  };
}

const touched = new Set<Known>();

const plain = (answer: unknown): unknown =>
  answer instanceof Uint8Array ? [...answer] : Array.isArray(answer) ? answer.map(plain) : answer;

function write(model: Model, key: string, value: number[], listed = false): void {
  const known = model.get(key) ?? { value: [], listed: false, version: "" };
  known.value = value;
  known.listed ||= listed;
  touched.add(known);
  model.set(key, known);
}

function overwritten(old: readonly number[], offset: number, bytes: readonly number[]): number[] {
  const value = [...old];
  while (bytes.length > 0 && value.length < offset) value.push(0);
  bytes.forEach((byte, i) => {
    value[offset + i] = byte;
  });
  return value;
}

const key = fc.constantFrom("a", "b", "b/c", "\u{1f600}", "\uffff");
const bytes = fc.uint8Array({ maxLength: 12 });
const place = fc.nat(16);

const steps: fc.Arbitrary<Step>[] = [
  fc.tuple(key, bytes, fc.boolean()).map(([k, value, listed]) =>
    step(
      `set ${k} [${value}] ${listed}`,
      (store) => store.set(k, value, { listed }),
      (model) => {
        write(model, k, [...value], listed);
        return undefined;
      },
    ),
  ),
  fc.tuple(key, bytes, fc.boolean()).map(([k, value, listed]) =>
    step(
      `exchange ${k} [${value}] ${listed}`,
      (store) => store.exchange(k, value, { listed }),
      (model) => {
        const old = model.get(k)?.value;
        write(model, k, [...value], listed);
        return old;
      },
    ),
  ),
  fc.tuple(key, bytes, fc.boolean()).map(([k, value, fresh]) =>
    step(
      `compareAndSet ${k} ${fresh ? "its version" : "absent"}`,
      async (store, model) =>
        (await store.compareAndSet(k, fresh ? model.get(k)?.version : undefined, value)).swapped,
      (model) => {
        const swaps = fresh || !model.has(k);
        if (swaps) write(model, k, [...value]);
        return swaps;
      },
    ),
  ),
  fc.tuple(key, place, bytes).map(([k, offset, value]) =>
    step(
      `setRange ${k} ${offset} [${value}]`,
      (store) => store.setRange(k, offset, value),
      (model) => {
        write(model, k, overwritten(model.get(k)?.value ?? [], offset, [...value]));
        return model.get(k)!.value.length;
      },
    ),
  ),
  fc.tuple(key, place, fc.float32Array({ maxLength: 3, noNaN: true })).map(([k, offset, deltas]) =>
    step(
      `addToRange ${k} ${offset} [${deltas}]`,
      (store) => store.addToRange(k, offset, deltas),
      (model) => {
        const old = model.get(k)?.value ?? [];
        const sums = new DataView(new ArrayBuffer(deltas.byteLength));
        for (let i = 0; i < deltas.byteLength; i += 1) sums.setUint8(i, old[offset + i] ?? 0);
        deltas.forEach((delta, i) => {
          sums.setFloat32(4 * i, sums.getFloat32(4 * i, true) + delta, true);
        });
        write(model, k, overwritten(old, offset, [...new Uint8Array(sums.buffer)]));
        return undefined;
      },
    ),
  ),
  fc.tuple(key, bytes, fc.option(place, { nil: undefined })).map(([k, value, atBytes]) =>
    step(
      `append ${k} [${value}] at ${atBytes}`,
      (store) => store.append(k, value, atBytes === undefined ? {} : { atBytes }),
      (model) => {
        const old = model.get(k)?.value ?? [];
        const tail = atBytes === undefined ? [] : old.slice(atBytes);
        const repeated =
          atBytes !== undefined &&
          old.length === atBytes + value.length &&
          String(tail) === String([...value]);
        if (atBytes !== undefined && old.length !== atBytes) {
          return { appended: repeated, sizeBytes: old.length };
        }
        write(model, k, [...old, ...value]);
        return { appended: true, sizeBytes: old.length + value.length };
      },
    ),
  ),
  fc.tuple(key, fc.integer({ min: -99, max: 99 })).map(([k, by]) =>
    step(
      `increment ${k} ${by}`,
      (store) => store.increment(k, by).catch((error: { code: string }) => error.code),
      (model) => {
        const digits = Buffer.from(model.get(k)?.value ?? []).toString("latin1") || "0";
        if (!/^-?\d+$/.test(digits)) return "BAD_ARGUMENT";
        const sum = Number(digits) + by;
        write(model, k, [...Buffer.from(String(sum))]);
        return sum;
      },
    ),
  ),
  fc.tuple(key, place, place).map(([k, offset, length]) =>
    step(
      `getRange ${k} ${offset} ${length}`,
      (store) => store.getRange(k, offset, length),
      (model) => (model.get(k)?.value ?? []).slice(offset, offset + length),
    ),
  ),
  fc.array(key, { maxLength: 6 }).map((keys) =>
    step(
      `getMany ${keys}`,
      (store) => store.getMany(keys),
      (model) => keys.map((k) => model.get(k)?.value),
    ),
  ),
  fc.array(fc.tuple(key, bytes), { maxLength: 4 }).map((entries) =>
    step(
      `setMany ${entries.map(([k]) => k)}`,
      (store) => store.setMany(entries),
      (model) => {
        for (const [k, value] of entries) write(model, k, [...value]);
        return undefined;
      },
    ),
  ),
  key.map((k) =>
    step(
      `take ${k}`,
      (store) => store.take(k),
      (model) => {
        const old = model.get(k)?.value;
        model.delete(k);
        return old;
      },
    ),
  ),
  fc.array(key, { maxLength: 3 }).map((keys) =>
    step(
      `delete ${keys}`,
      (store) => store.delete(keys),
      (model) => keys.filter((k) => model.delete(k)).length,
    ),
  ),
];

export function describeModel(current: () => OpenedKeyValueStore, { histories }: KeyValueSuiteOptions): void {
  describe("any history of calls", () => {
    it(`answers as a plain map does, in ${histories} random ones`, async () => {
      const { store } = current();
      await fc.assert(
        fc.asyncProperty(fc.commands(steps, { maxCommands: 40 }), async (commands) => {
          await store.delete(await all(store.scan("")));
          await fc.asyncModelRun(() => ({ model: new Map(), real: store }), commands);
        }),
        { numRuns: histories },
      );
    });
  });
}
