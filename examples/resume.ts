/**
 * Run it again and it goes on: a job with a `name` keeps what was done, whatever happened to the script.
 *
 * Shows: `name`. Outcomes of the same name, the same function and the same item are reused; change the function (or
 * a value that it captures), and its tasks run again.
 *
 *   node examples/resume.ts --die-after 30     # the script dies in the middle (exit code 9)
 *   node examples/resume.ts                    # only the missing tasks run
 *   node examples/resume.ts                    # nothing is left to do
 *   node examples/resume.ts --name again       # another name starts afresh
 */
import { parseArgs } from "node:util";
import { openPool } from "kinglet";

const { values: flags } = parseArgs({
  options: {
    tasks: { type: "string", default: "100" },
    "die-after": { type: "string" },
    name: { type: "string", default: "collatz" },
  },
});
const dieAfter = flags["die-after"] === undefined ? Number.POSITIVE_INFINITY : Number(flags["die-after"]);
const startedAtMs = Date.now();

/** The start below `limit` with the longest Collatz sequence. */
function longestCollatz(limit: number): number {
  let [best, bestSteps] = [1, 0];
  for (let start = 1; start < limit; start++) {
    let steps = 0;
    for (let n = start; n !== 1; n = n % 2 === 0 ? n / 2 : 3 * n + 1) steps++;
    if (steps > bestSteps) [best, bestSteps] = [start, steps];
  }
  return best;
}

const pool = openPool();
const limits = Array.from({ length: Number(flags.tasks) }, (_, i) => 5_000 + 100 * i);
// Date.now() in the result tells when a task really ran.
const job = pool.map((limit) => ({ best: longestCollatz(limit), ranAtMs: Date.now() }), limits, {
  name: flags.name,
  batch: 1,
});

let done = 0;
for await (const _ of job.completed()) {
  if (++done >= dieAfter) {
    console.log(`dying after ${done} of ${limits.length} results`);
    process.exit(9);
  }
}
const results = await job;
await pool.close();

const reused = results.filter(({ ranAtMs }) => ranAtMs < startedAtMs).length;
const wrong = results.filter(({ best }, i) => best !== longestCollatz(limits[i]!)).length;
console.log(
  `${results.length} results: ${reused} from earlier runs, ${results.length - reused} computed now, ${wrong} wrong`,
);
process.exitCode = wrong === 0 ? 0 : 1;
