import path from "node:path";
import { describe, expect, it } from "vitest";
import { keysIn, lookInto, onEveryStore } from "../support/job-stores.ts";
import { freshStorage, rejection, testPool, thrown } from "../support/pools.ts";
import { startNode } from "../support/processes.ts";

const scripts = path.join(import.meta.dirname, "scripts");
const MIB = 1024 * 1024;

function* endless() {
  for (let i = 0; ; i++) yield i;
}

const bytesIn = (storage: string): Promise<number> =>
  lookInto(storage, async (store) => {
    let bytes = 0;
    for await (const { sizeBytes } of store.list("")) bytes += sizeBytes;
    return bytes;
  });

/** 60 kB that tell the task's index: they lie in workers' logs. */
const page = (n: number) => new Float64Array(7500).fill(n);

onEveryStore(() => {
  describe('retain: "consumed"', () => {
    it("what a loop has passed is deleted while it runs: an endless job needs little room", async () => {
      const storage = freshStorage();
      const job = testPool({ storage }).map(page, endless(), { retain: "consumed" });
      let most = 0;
      let next = 0;
      for await (const values of job) {
        if (values[0] !== next || values[7499] !== next) throw new Error(`task ${next} gave ${values[0]}`);
        next += 1;
        if (next % 300 === 0) most = Math.max(most, await bytesIn(storage));
        if (next === 5000) break;
      }
      expect(next).toBe(5000);
      expect(most).toBeGreaterThan(1 * MIB);
      expect(most).toBeLessThan(140 * MIB); // of the 286 MiB that went by
    });

    it("also as they finish, with big items and big results", async () => {
      const storage = freshStorage();
      function* items() {
        for (let n = 0; n < 300; n++) yield new Float64Array(50_000).fill(n);
      }
      const job = testPool({ storage }).map((item) => item.map((x) => x + 1), items(), {
        retain: "consumed",
        batch: 1,
      });
      let most = 0;
      const seen = new Set<number>();
      for await (const { index, value } of job.completed()) {
        if (value[0] !== index + 1 || seen.has(index)) throw new Error(`task ${index} gave ${value[0]}`);
        seen.add(index);
        if (seen.size % 50 === 0) most = Math.max(most, await bytesIn(storage));
      }
      expect(seen.size).toBe(300);
      expect(most).toBeLessThan(200 * MIB); // of 229
      expect(job.progress).toMatchObject({ done: 300, state: "done" });
    });

    it("nothing of the job is left when the pool has closed", async () => {
      const storage = freshStorage();
      const pool = testPool({ storage });
      for await (const _ of pool.map((n) => n, [1, 2, 3], { retain: "consumed" }));
      await pool.close();
      expect(await keysIn(storage, "journals/")).toEqual([]);
    });

    it("who wants all results after that is told that they are gone", async () => {
      const pool = testPool();
      const job = pool.map(
        page,
        Array.from({ length: 2500 }, (_, i) => i),
        { retain: "consumed" },
      );
      for await (const _ of job);
      expect(await rejection(job)).toMatchObject({ code: "CONSUMED" });
      expect(thrown(() => pool.map((page) => page.length, job))).toMatchObject({ code: "CONSUMED" });
      const again = async () => {
        for await (const _ of job);
      };
      expect(await rejection(again())).toMatchObject({ code: "CONSUMED" });
    });

    it("awaited, the job keeps all its outcomes", async () => {
      const pool = testPool();
      const job = pool.map(
        page,
        Array.from({ length: 1500 }, (_, i) => i),
        { retain: "consumed" },
      );
      expect((await job).map((values) => values[0])).toEqual(Array.from({ length: 1500 }, (_, i) => i));
      expect(await pool.run((pages) => pages.length, job)).toBe(1500);
    });

    it("a driver that is killed in the middle: who attaches goes on behind what is deleted", async () => {
      for (const dieAfter of [700, 3500]) {
        const storage = freshStorage();
        const script = path.join(scripts, "consumed.ts");
        const died = await startNode([script, storage, "20000", String(dieAfter)]).finished;
        expect(died.signal, died.stderr).toBe("SIGKILL");
        const [first] = await keysIn(storage, "journals/");
        const pool = testPool({ storage });
        const seen: number[] = [];
        const goOn = async () => {
          for await (const values of pool.attach<Float64Array>(first!.split("/")[1]!)) seen.push(values[0]!);
        };
        // Items are drawn as the loop goes on, and the dead driver had not come to their end.
        expect(await rejection(goOn())).toMatchObject({ code: "INPUT_INCOMPLETE" });
        await pool.close();
        const begin = seen[0]!;
        expect(begin, `killed after ${dieAfter}`).toBeLessThanOrEqual(dieAfter);
        if (dieAfter > 3000) expect(begin).toBeGreaterThan(0);
        expect(seen).toEqual(Array.from(seen, (_, i) => begin + i));
        expect(begin + seen.length).toBeGreaterThanOrEqual(dieAfter);
      }
    });
  });
});

describe('retain: "consumed"', () => {
  it("does not go together with a name", () => {
    const pool = testPool();
    const error = thrown(() => pool.map((n) => n, [1], { name: "again", retain: "consumed" }));
    expect(error).toMatchObject({ code: "BAD_OPTION", option: "retain" });
    expect(error.message).toContain("Leave out one of them.");
  });
});
