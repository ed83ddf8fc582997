import { describe, expect, it } from "vitest";
import { playHistory } from "./history.ts";
import { KILL_SCENARIOS, killAt, pauseAt } from "./kill-points.ts";
import { loadSystem, SOURCE_FOLDER } from "./system.ts";

describe("drivers that stop at an I/O boundary, are taken over from, and wake", () => {
  for (const scenario of Object.keys(KILL_SCENARIOS)) {
    it.each([
      ["a log each", false],
      ["segments", true],
    ])(`${scenario}: of three drivers, each fenced in its epoch, with %s`, async (_how, segmented) => {
      const system = await loadSystem(SOURCE_FOLDER);
      const whole = await playHistory(system, killAt(scenario, Number.POSITIVE_INFINITY, 1, 2, segmented));
      let fenced = 0;
      for (let boundary = 0; boundary < whole.boundaries; boundary++) {
        for (const second of [3, 12, 20 + (boundary % 17)]) {
          const report = await playHistory(
            system,
            pauseAt(scenario, [boundary, second], boundary + 1, segmented),
          );
          // Whoever had jobs open when it fell asleep has none now: they ended, or were led by another.
          for (const [n, driver] of report.drivers.entries()) {
            if (report.began[n]) expect(driver.open, `boundary ${boundary}, driver ${n}`).toBe(0);
          }
          fenced += report.drivers.reduce((sum, driver) => sum + driver.fenced, 0);
        }
      }
      expect(fenced).toBeGreaterThan(10);
    });
  }
});
