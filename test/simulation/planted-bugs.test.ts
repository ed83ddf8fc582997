import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { playHistory, playSeeds } from "./history.ts";
import { killAt } from "./kill-points.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { loadSystem, SOURCE_FOLDER, type System } from "./system.ts";

const HISTORIES = 2500;
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

/** Of a driver that dies somewhere in a map with a failing task. */
async function playKills(system: System): Promise<void> {
  for (let boundary = 0; boundary < 60; boundary++) {
    for (let seed = 1; seed <= 3; seed++) {
      await playHistory(system, killAt("a map whose task throws", boundary, seed, 0)).catch((error) => {
        throw new Error(`killed at ${boundary}, seed ${seed}: ${error.message}`, { cause: error });
      });
    }
  }
}

describe("bugs planted in the scheduler", () => {
  it("are the only ones: the same checks find nothing in the source as it is", async () => {
    const system = await loadSystem(SOURCE_FOLDER);
    await playKills(system);
    await playSeeds(system, 1, 500);
  });

  it.each(MUTANTS.map((mutant, i) => [mutant.name, mutant, i] as const))(
    "the simulation notices that %s",
    async (_name, mutant, i) => {
      const system = await plant(mutant, `mutant-${i}`);
      const play = async () => {
        await playKills(system);
        for (let seed = 1; seed < HISTORIES; seed += STEP) await playSeeds(system, seed, STEP);
      };
      await expect(play()).rejects.toThrow(/^(killed at \d+, )?seed \d+: /);
    },
  );
});
