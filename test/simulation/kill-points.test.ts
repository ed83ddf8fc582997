import { describe, expect, it } from "vitest";
import { playHistory } from "./history.ts";
import { KILL_SCENARIOS, killAt } from "./kill-points.ts";
import { loadSystem, SOURCE_FOLDER } from "./system.ts";

/** Each write is torn in so many places. */
const TEARS = 6;
const STORES = [
  { delayMs: 0, segmented: false, which: "answers at once" },
  { delayMs: 2, segmented: false, which: "answers later" },
  { delayMs: 2, segmented: true, which: "can't append, and takes what the dead have sent" },
];

describe("a driver killed at every I/O boundary, and resumed by another", () => {
  for (const scenario of Object.keys(KILL_SCENARIOS)) {
    for (const { delayMs, segmented, which } of STORES) {
      it(`${scenario}, on a store that ${which}`, async () => {
        const system = await loadSystem(SOURCE_FOLDER);
        const endless = killAt(scenario, Number.POSITIVE_INFINITY, 1, delayMs, segmented);
        const whole = await playHistory(system, endless);
        expect(whole.boundaries).toBeGreaterThan(segmented ? 5 : 10);
        for (let boundary = 0; boundary < whole.boundaries; boundary++) {
          for (let seed = 1; seed <= TEARS; seed++) {
            const plan = killAt(scenario, boundary, seed, delayMs, segmented);
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
