import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { BIG_BYTES, bodyOf } from "./crash-bodies.ts";
import { newFolder } from "./disk-stores.ts";

const WRITER = path.join(import.meta.dirname, "crash-writer.ts");
const NEVER = 1_000_000;

let folder: string;
beforeEach(() => {
  folder = newFolder();
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Runs the writer in a new store until it kills itself. @returns what it said, if it survived */
async function crash(root: string, killAt: number, ...more: string[]): Promise<string> {
  const before = openDiskStore(root);
  await before.put("old/kept", bodyOf(0, 50));
  await before.put("old/gone", bodyOf(0, 50));
  const writer = spawn(process.execPath, [WRITER, root, String(killAt), ...more], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  writer.stdout.on("data", (text) => {
    said += text;
  });
  const [code, signal] = await once(writer, "close");
  expect([code, signal]).toEqual(killAt === NEVER ? [0, null] : [null, "SIGKILL"]);
  return said;
}

/** Each object as the numbers of the bodies that it may be: `undefined` for absent. */
const ALLOWED: Record<string, readonly (Uint8Array | undefined)[]> = {
  "old/kept": [bodyOf(0, 50), bodyOf(1, 100), bodyOf(2, BIG_BYTES)],
  "old/gone": [bodyOf(0, 50), undefined],
  "new/created": [bodyOf(3, 100), undefined],
  "new/big": [bodyOf(4, BIG_BYTES), undefined],
};

async function expectWholeOrAbsent(store: ObjectStore): Promise<void> {
  for (const [key, bodies] of Object.entries(ALLOWED)) {
    const bytes = store.exists(key) ? await store.get(key) : undefined;
    const isOneOf = bodies.some((body) =>
      body && bytes ? Buffer.compare(body, bytes) === 0 : body === bytes,
    );
    expect([key, isOneOf]).toEqual([key, true]);
  }
  if (await store.exists("logs/log")) {
    const log = await store.get("logs/log");
    const whole = Buffer.concat([bodyOf(5, 1000), bodyOf(6, 1000)]);
    expect(Buffer.compare(log, whole.subarray(0, log.byteLength))).toBe(0);
  }
}

async function expectUsable(root: string): Promise<void> {
  const temp = path.join(root, "%tmp");
  const longAgo = new Date(Date.now() - 3_600_000);
  for (const name of fs.readdirSync(temp)) fs.utimesSync(path.join(temp, name), longAgo, longAgo);
  const store = openDiskStore(root);
  expect(fs.readdirSync(temp)).toEqual([]);
  await expectWholeOrAbsent(store);
  for (const key of Object.keys(ALLOWED)) {
    await store.put(key, bodyOf(9, 10), { ifAbsent: true });
    await store.put(key, bodyOf(9, 10));
    expect(Buffer.compare(await store.get(key), bodyOf(9, 10))).toBe(0);
  }
}

describe("a writer that is killed", () => {
  it.each([
    ["before each call of the file system", []],
    ["in the middle of each write", ["torn"]],
  ])("%s leaves every object whole or absent, and the store usable", async (_what, more) => {
    const said = await crash(path.join(folder, "whole"), NEVER, ...more);
    const calls = Number(/survived (\d+)/.exec(said)![1]);
    expect(calls).toBeGreaterThan(20);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < calls) {
        const killAt = next++;
        const root = path.join(folder, String(killAt));
        expect(await crash(root, killAt, ...more)).toBe("");
        await expectUsable(root);
        fs.rmSync(root, { recursive: true });
      }
    };
    await Promise.all([worker(), worker()]);
  });

  it("at random moments leaves every object whole or absent", async () => {
    const seed = Number(process.env["KINGLET_TEST_SEED"] ?? Date.now() % 1_000_000);
    const random = seededRandom(seed);
    for (let round = 0; round < 5; round += 1) {
      const root = path.join(folder, String(round));
      const source = `
        import { openDiskStore } from ${JSON.stringify(import.meta.resolve("../../src/storage/disk.ts"))};
        const store = openDiskStore(${JSON.stringify(root)});
        for (let i = 1; ; i = (i % 200) + 1) {
          await store.put("o" + (i % 3), new Uint8Array(1 + i * 5_000).fill(i), { ifAbsent: i % 2 === 0 });
          process.stdout.write(".");
          if (i % 20 === 0) await store.delete(["o0", "o1", "o2"]);
        }`;
      const writer = spawn(process.execPath, ["--input-type=module", "-e", source], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const enough = 1 + Math.floor(random() * 60);
      const spin = Math.floor(random() * 2_000_000);
      let puts = 0;
      for await (const dots of writer.stdout) {
        puts += (dots as Buffer).length;
        if (puts < enough) continue;
        for (let i = 0; i < spin; i += 1) Math.sqrt(i);
        writer.kill("SIGKILL");
        break;
      }
      if (writer.signalCode === null) await once(writer, "exit");
      const store = openDiskStore(root);
      for await (const { key, sizeBytes } of store.list("")) {
        const bytes = await store.get(key);
        const number = (sizeBytes - 1) / 5_000;
        expect({ seed, round, key, values: [...new Set(bytes)] }).toEqual({
          seed,
          round,
          key,
          values: [number],
        });
      }
    }
  });
});
