import { describe, expect, it } from "vitest";
import { coverageOf, EXPECTED_PAIRS, type Pair } from "./coverage.ts";
import { playSeeds } from "./history.ts";
import { loadSystem, SOURCE_FOLDER } from "./system.ts";

/** Seeds of one file: of the short part, and of each of the long one. */
const HISTORIES = 5200;
/** KINGLET_SIM_OFFSET moves the seeds: other histories, each night for example. */
const OFFSET = Number(process.env["KINGLET_SIM_OFFSET"] ?? 0);

export function describeHistories(part: number): void {
  const firstSeed = OFFSET + (part - 1) * HISTORIES + 1;
  const reached = new Set<Pair>();

  describe(`histories ${firstSeed}–${firstSeed + HISTORIES - 1} of jobs, workers that fail and drivers that die`, () => {
    it("end, tell one truth to everyone, and start nothing after the end", async () => {
      await playSeeds(await loadSystem(SOURCE_FOLDER), firstSeed, HISTORIES, (state, event) => {
        for (const pair of coverageOf(state, event)) reached.add(pair);
      });
    });

    it("bring the state machine into every state with every event", () => {
      expect(EXPECTED_PAIRS.filter((pair) => !reached.has(pair))).toEqual([]);
    });
  });
}
