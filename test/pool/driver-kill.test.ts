import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import { keysIn, onEveryStore } from "../support/job-stores.ts";
import { amount } from "../support/part.ts";
import { MUCH } from "../support/patience.ts";
import { freshStorage, temporaryFolder, testPool } from "../support/pools.ts";
import { eventually, type Finished, processesWith, startNode } from "../support/processes.ts";

const scripts = path.join(import.meta.dirname, "scripts");
/** Of all kills, spread evenly over the life of the driver: so many in the short part. */
const SOME_KILLS = 8;

/** What the killed driver showed its user: outcomes by index. */
function shown(stdout: string): Map<number, string> {
  const whole = stdout.slice(0, stdout.lastIndexOf("\n") + 1).split("\n");
  return new Map(
    whole
      .filter((line) => /^\d+ /.test(line))
      .map((line) => [Number(line.split(" ")[0]), line.split(" ")[1]!]),
  );
}

async function journalIn(storage: string): Promise<string | undefined> {
  const [key] = await keysIn(storage, "journals/");
  return key?.split("/")[1];
}

/** Resumes the one job of the store and checks it against what its dead driver had shown. */
async function resumeAndCheck(
  storage: string,
  killed: Finished,
  count: number,
  what: string,
): Promise<"nothing" | "done"> {
  const seen = shown(killed.stdout);
  const journalId = await journalIn(storage);
  const pool = testPool({ storage });
  const values =
    journalId === undefined
      ? undefined
      : await pool.attach<string>(journalId).catch((error) => {
          // Killed before its first record was whole: there is no such job, and nobody was told otherwise.
          if (error.code === "JOB_NOT_FOUND") return undefined;
          throw new Error(`${what}: ${error.stack}`);
        });
  await pool.close();
  if (values === undefined) {
    expect(seen.size, what).toBe(0);
    return "nothing";
  }
  expect(values.length, what).toBe(count);
  for (const [index, value] of values.entries()) expect(value, what).toMatch(new RegExp(`^${index}:`));
  for (const [index, value] of seen)
    expect(values[index], `${what}: task ${index} has two truths`).toBe(value);
  // A second reader sees the same.
  const again = testPool({ storage });
  expect(await again.attach<string>(journalId!), what).toEqual(values);
  await again.close();
  return "done";
}

/** Kills a driver before and after each of its writes (`when`), resumes its job, and checks that nothing was lost. */
async function killAtEach(preload: string, whens: readonly string[]): Promise<void> {
  const countFile = path.join(temporaryFolder(), "count");
  const args = ["--import", path.join(scripts, preload), path.join(scripts, "nonces.ts")];
  const start = (storage: string, env: Record<string, string>) =>
    startNode([...args, storage, "12", "3"], env).finished;
  const whole = await start(freshStorage(), { KILL_COUNT: countFile });
  expect(whole.stdout).toMatch(/end\n$/);
  const writes = Number(readFileSync(countFile, "utf8"));
  expect(writes).toBeGreaterThan(8);
  const tally = { nothing: 0, done: 0 };
  const all = Array.from({ length: writes }, (_, i) => whens.map((when) => `${i + 1}:${when}`)).flat();
  const step = all.length / amount({ short: Math.min(SOME_KILLS, all.length), long: all.length });
  const cases = all.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
  const one = async (killAt: string) => {
    const storage = freshStorage();
    const killed = await start(storage, { KILL_AT: killAt });
    tally[await resumeAndCheck(storage, killed, 12, `killed ${killAt} of ${writes} writes`)] += 1;
  };
  // Two at a time: the machine has two cores.
  const queue = [...cases];
  await Promise.all(
    [0, 1].map(async () => {
      for (let next = queue.shift(); next; next = queue.shift()) await one(next);
    }),
  );
  // Both kinds occurred: kills before there was a job, and kills in the middle of one.
  expect(tally.nothing).toBeGreaterThan(0);
  expect(tally.done).toBeGreaterThan(amount({ short: 0, long: 3 }));
  expect(tally.nothing + tally.done).toBe(cases.length);
}

async function killAtRandom(rounds: number, seed: number): Promise<void> {
  const random = seededRandom(seed);
  for (let round = 0; round < rounds; round++) {
    const storage = freshStorage();
    const started = startNode([path.join(scripts, "nonces.ts"), storage, "10000"]);
    const lines = Math.floor(random() * 9000);
    await eventually("output of the driver", () => started.stdout().split("\n").length > lines);
    started.child.kill("SIGKILL");
    const killed = await started.finished;
    await eventually("its workers end", () => processesWith(killed.tag).length === 0);
    expect(await resumeAndCheck(storage, killed, 10_000, `round ${round}, seed ${seed}`)).toBe("done");
  }
}

onEveryStore((kind) => {
  describe("the driver dies by kill -9", () => {
    const seed = Number(process.env.KINGLET_TEST_SEED ?? Date.now() % 1_000_000);
    const moments = kind === "disk" ? "writes" : "requests";

    it(
      `before and after ${amount({ short: "some", long: "all" })} ${moments} it makes: nothing is lost, no task has two truths`,
      MUCH,
      async () => {
        if (kind === "disk") await killAtEach("kill-at.mjs", ["before", "after"]);
        // A Redis client writes often: half of the moments do.
        else await killAtEach("kill-at-request.mjs", kind === "redis" ? ["sent"] : ["before", "sent"]);
      },
    );

    it(
      `at random moments of 10,000 tasks (KINGLET_TEST_SEED=${seed}), and leaves no process behind`,
      MUCH,
      () => killAtRandom(amount({ short: 1, long: kind === "disk" ? 4 : 2 }), seed),
    );
  });
});
