import { describe, expect, it } from "vitest";
import { playHistory } from "./history.ts";
import { planHistory } from "./plan.ts";
import { loadSystem, SOURCE_FOLDER } from "./system.ts";

const SEED = process.env["KINGLET_SIM_SEED"];

describe("one history by its seed", () => {
  it("plays the same each time", async () => {
    const system = await loadSystem(SOURCE_FOLDER);
    const play = async (seed: number) => {
      const events: string[] = [];
      const report = await playHistory(system, planHistory(seed), (state, event) => {
        events.push(`${state.nowMs} ${event.type}`);
      });
      return { report, events };
    };
    expect(await play(7)).toEqual(await play(7));
    expect((await play(7)).events).not.toEqual((await play(8)).events);
  });

  it.runIf(SEED !== undefined)(`replays KINGLET_SIM_SEED=${SEED}, event by event`, async () => {
    const plan = planHistory(Number(SEED));
    console.dir(plan, { depth: 4 });
    const system = await loadSystem(SOURCE_FOLDER);
    await playHistory(system, plan, (state, event) => {
      const { proposal: _, ...shown } = { proposal: undefined, ...event };
      console.log(`${state.nowMs} ms ${JSON.stringify(shown)}`);
    });
  });
});
