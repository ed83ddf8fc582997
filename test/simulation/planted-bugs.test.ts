import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { playSeeds } from "./history.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { loadSystem, SOURCE_FOLDER, type System } from "./system.ts";

/** The rarest needs a driver that dies in the middle of one certain write. */
const HISTORIES = 12_000;
const STEP = 25;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "kinglet-mutants-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of the parts of the source that the simulation runs, with the bug in it. */
async function plant(mutant: Mutant, name: string): Promise<System> {
  const copy = path.join(folder, name);
  cpSync(SOURCE_FOLDER, copy, {
    recursive: true,
    filter: (file) => !/\/(cli|capture|observe|pool)$/.test(file),
  });
  const file = path.join(copy, mutant.file);
  const text = readFileSync(file, "utf8");
  expect(text.split(mutant.replace).length - 1, `"${mutant.replace}" in ${mutant.file}`).toBe(1);
  writeFileSync(
    file,
    text.replace(mutant.replace, () => mutant.by),
  );
  return loadSystem(copy);
}

describe("bugs planted in the scheduler", () => {
  it.each(MUTANTS.map((mutant, i) => [mutant.name, mutant, i] as const))(
    "the simulation notices that %s",
    async (_name, mutant, i) => {
      const system = await plant(mutant, `mutant-${i}`);
      const play = async () => {
        for (let seed = 1; seed < HISTORIES; seed += STEP) await playSeeds(system, seed, STEP);
      };
      await expect(play()).rejects.toThrow(/^seed \d+: /);
    },
    120_000,
  );
});
