import { describe, expect, it } from "vitest";
import { playHistory } from "./history.ts";
import { KILL_SCENARIOS, killAt } from "./kill-points.ts";
import { loadSystem, SOURCE_FOLDER } from "./system.ts";

/** Each write is torn in so many places. */
const TEARS = 6;

describe("a driver killed at every I/O boundary, and resumed by another", () => {
  for (const scenario of Object.keys(KILL_SCENARIOS)) {
    for (const delayMs of [0, 2]) {
      it(`${scenario}, on a store that answers ${delayMs === 0 ? "at once" : "later"}`, async () => {
        const system = await loadSystem(SOURCE_FOLDER);
        const whole = await playHistory(system, killAt(scenario, Number.POSITIVE_INFINITY, 1, delayMs));
        expect(whole.boundaries).toBeGreaterThan(10);
        for (let boundary = 0; boundary < whole.boundaries; boundary++) {
          for (let seed = 1; seed <= TEARS; seed++) {
            const plan = killAt(scenario, boundary, seed, delayMs);
            await playHistory(system, plan).catch((error: Error) => {
              throw new Error(`killed at boundary ${boundary}, seed ${seed}: ${error.message}`, {
                cause: error,
              });
            });
          }
        }
      });
    }
  }
});
