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
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { openPool } from "kinglet";

const { values: flags } = parseArgs({ options: { tasks: { type: "string", default: "60" } } });
const tasks = Number(flags.tasks);
// Tasks keep no memory from one try to the next: a file remembers that the first one was made.
const tries = mkdtempSync(path.join(tmpdir(), "kinglet-flaky-"));

class BadWeather extends Error {
  override name = "BadWeather";
}

function firstTry(index: number, kind: string): boolean {
  try {
    writeFileSync(path.join(tries, `${kind}-${index}`), "", { flag: "wx" });
    return true;
  } catch {
    return false;
  }
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
  (limit, { index }) => {
    if (index % 10 === 3 && firstTry(index, "exit")) process.exit(3);
    if (index % 10 === 5 && firstTry(index, "kill")) process.kill(process.pid, "SIGKILL");
    if (index % 10 === 7 && firstTry(index, "throw")) throw new BadWeather(`task ${index} met bad weather`);
    return primesBelow(limit);
  },
  limits,
  { retries: 2, retryErrors: (error) => error instanceof BadWeather },
);

// Without `retryErrors` the error arrives here as it was thrown: its own class, and a stack in this file.
const [storm] = await pool.mapSettled((text) => Promise.reject(new BadWeather(text)), ["a storm"]);
await pool.close();

const survived = readdirSync(tries).map((name) => name.split("-")[0]);
rmSync(tries, { recursive: true });
for (const kind of ["exit", "kill", "throw"]) {
  console.log(`survived ${survived.filter((k) => k === kind).length} × ${kind}`);
}
const wrong = counts.filter((count, i) => count !== primesBelow(limits[i]!)).length;
console.log(`${counts.length} of ${tasks} results, ${wrong} wrong`);
const known = storm?.status === "rejected" && storm.reason instanceof BadWeather;
console.log(`an error keeps its class: ${known}`);
process.exitCode = wrong === 0 && counts.length === tasks && known ? 0 : 1;
