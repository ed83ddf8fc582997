/**
 * A job whose tasks fail in every way, and whose results are right nevertheless.
 *
 * Of ten tasks, on their first try, one leaves the process (`process.exit(3)`), one is killed by a signal and one
 * throws. Kinglet starts a new worker after a crash and tries the task again (`retries`); a task that throws is tried
 * again only if asked for (`retryErrors`). The tasks that shared a worker with a crashing one don't notice.
 *
 *   npx kinglet run examples/flaky.ts
 *   node examples/flaky.ts --tasks 500
 */
import { parseArgs } from "node:util";
import { type Context, openPool } from "kinglet";

const { values: flags } = parseArgs({ options: { tasks: { type: "string", default: "60" } } });
const tasks = Number(flags.tasks);
// Tasks keep no memory from one try to the next: an object in the pool's store remembers that the first one was made.
const tries = `flaky/${Date.now()}`;

class BadWeather extends Error {
  override name = "BadWeather";
}

async function firstTry({ store, index }: Context, kind: string): Promise<boolean> {
  const name = `${tries}/${kind}-${index}`;
  if (await store.find(name)) return false;
  await store.put(name, "");
  return true;
}

/** How many primes are below `limit`: work with a result that can be checked. */
function primesBelow(limit: number): number {
  const composite = new Uint8Array(limit);
  let count = 0;
  for (let n = 2; n < limit; n++) {
    if (composite[n]) continue;
    count++;
    for (let multiple = n * n; multiple < limit; multiple += n) composite[multiple] = 1;
  }
  return count;
}

const pool = openPool();
const limits = Array.from({ length: tasks }, (_, i) => 10_000 + 100 * i);

const counts = await pool.map(
  async (limit, ctx) => {
    const { index } = ctx;
    if (index % 10 === 3 && (await firstTry(ctx, "exit"))) process.exit(3);
    if (index % 10 === 5 && (await firstTry(ctx, "kill"))) process.kill(process.pid, "SIGKILL");
    if (index % 10 === 7 && (await firstTry(ctx, "throw")))
      throw new BadWeather(`task ${index} met bad weather`);
    return primesBelow(limit);
  },
  limits,
  { retries: 2, retryErrors: (error) => error instanceof BadWeather },
);

// Without `retryErrors` the error arrives here as it was thrown: its own class, and a stack in this file.
const [storm] = await pool.mapSettled((text) => Promise.reject(new BadWeather(text)), ["a storm"]);

const made: string[] = [];
for await (const { key } of pool.store.list(tries)) made.push(key);
await pool.store.delete(...made);
await pool.close();

const survived = made.map((key) => key.slice(tries.length + 1).split("-")[0]);
for (const kind of ["exit", "kill", "throw"]) {
  console.log(`survived ${survived.filter((k) => k === kind).length} × ${kind}`);
}
const wrong = counts.filter((count, i) => count !== primesBelow(limits[i]!)).length;
console.log(`${counts.length} of ${tasks} results, ${wrong} wrong`);
const known = storm?.status === "rejected" && storm.reason instanceof BadWeather;
console.log(`an error keeps its class: ${known}`);
process.exitCode = wrong === 0 && counts.length === tasks && known ? 0 : 1;
