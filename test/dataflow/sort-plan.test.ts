import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import { sort, sortPlan } from "../../src/dataflow/index.ts";
import { isFeasible } from "../../src/dataflow/sort-plan.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { inlinePool } from "./inline-pool.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "kinglet-sort-plan-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const RECORD = { recordBytes: 100, keyBytes: 10 };

function writeRecords(file: string, count: number): void {
  const random = seededRandom(7);
  const bytes = Buffer.alloc(100 * count, "payload ");
  for (let at = 0; at < bytes.length; at += 100) bytes.writeUInt32BE(Math.floor(random() * 2 ** 32), at);
  writeFileSync(file, bytes);
}

describe("the plan of a sort", () => {
  it.each([1, 2] as const)("has the requests that a real one makes in %d levels", async (levels) => {
    const file = path.join(folder, "records.dat");
    writeRecords(file, 400_000);
    const store = openMemoryStore();
    const metered = withMeter(store);
    const pool = inlinePool({ store, attemptStore: () => metered });
    await sort(pool, file, { ...RECORD, memoryMb: 64, partitions: 9, levels, output: { objects: "sorted" } });
    const plan = sortPlan({ bytes: 40_000_000, memoryMb: 64, partitions: 9, levels });
    expect(plan).toMatchObject({ runs: 5, partitions: 9, levels });
    // Slices were read from a file here, not from the store.
    const [slices, ...merges] = plan.stages;
    const sum = (of: (stage: (typeof merges)[number]) => number) =>
      merges.reduce((total, one) => total + of(one), 0);
    const { get, put } = metered.usage();
    expect(get!.requests).toBe(sum((stage) => stage.gets));
    expect(put!.requests).toBe(slices!.puts + sum((stage) => stage.puts));
    expect(pool.attempts).toBe(slices!.tasks + sum((stage) => stage.tasks));
    expect(get!.requests).toBe(levels === 1 ? 5 * 9 : 5 * 3 + 2 * 9);
  });

  it("goes by two levels where one would ask too much, and says what can't be done", () => {
    expect(sortPlan({ bytes: 1e9 })).toMatchObject({ runs: 30, partitions: 30, levels: 1, fanIn: 30 });
    // The paper's: 1 TB, 2,500 tasks; there 6,250,000 intermediate files (SoCC 2017, §3.3).
    const paper = sortPlan({ bytes: 1e12, memoryMb: 3052, partitions: 2500 });
    expect(paper).toMatchObject({
      runs: 2500,
      levels: 2,
      runsPerMerge: 50,
      partitionsPerMerge: 50,
      fanIn: 50,
    });
    expect(paper.stages.map(({ tasks, gets, puts }) => [tasks, gets, puts])).toEqual([
      [2500, 2500, 2500],
      [2500, 250_000, 2500],
      [2500, 250_000, 2500],
    ]);
    expect(isFeasible(sortPlan({ bytes: 1e14 }))).toBe(false);
    expect(isFeasible(sortPlan({ bytes: 1e14, memoryMb: 8192 }))).toBe(true);
  });
});

describe("a sort in two levels", () => {
  it("gives the order of one level, for any lines, runs and partitions, also of runs that get lost between", async () => {
    const line = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 4 });
    const files = fc.array(fc.array(line, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 9 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        files,
        fc.integer({ min: 1, max: 12 }),
        fc.boolean(),
        async (given, partitions, losing) => {
          const here = path.join(folder, `run-${run++}`);
          mkdirSync(here);
          for (const [i, lines] of given.entries())
            writeFileSync(path.join(here, `${i}.txt`), `${lines.join("\n")}\n`);
          const store = openMemoryStore();
          const inline = inlinePool({ store });
          let stages = 0;
          const losingOne = async (...args: [never, never]) => {
            // Slices, then merges between, then those into objects.
            if (++stages === 3 && losing) {
              for await (const { key } of store.list("named/dataflow/"))
                if (key.includes("/merge/")) await store.delete([key]);
            }
            return inline.map(...args);
          };
          const pool = { ...inline, map: losingOne } as never;
          const options = {
            lines: true,
            memoryMb: 64,
            partitions,
            levels: 2,
            output: { objects: "sorted" },
          } as const;
          await sort(pool, path.join(here, "*.txt"), options);
          let sorted = "";
          for await (const { key } of store.list("")) sorted += Buffer.from(await store.get(key)).toString();
          expect(sorted.split("\n").slice(0, -1)).toEqual(given.flat().sort());
        },
      ),
      { numRuns: 60 },
    );
  });
});
