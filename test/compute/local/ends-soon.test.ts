import { expect, it } from "vitest";
import * as waits from "../../../src/compute/local/waits.ts";

/** What the contract gives: docs/ARCHITECTURE.md, "Promises, and where they are kept". */
const END_WITHIN_MS = 5000;

it("the backend's own waits leave half of the time in which an attempt must end to the computer", () => {
  const allMs = Object.values(waits).reduce((sum, ms) => sum + ms, 0);
  expect(allMs).toBeGreaterThan(0);
  expect(allMs).toBeLessThanOrEqual(END_WITHIN_MS - 2000);
});
