/** `consumed.ts STORAGE TASKS DIE_AFTER`: goes over results with `retain: "consumed"`, and is killed after so many. */
import { openPool } from "../../../src/index.ts";

const [storage, tasks, dieAfter] = process.argv.slice(2);
const pool = openPool({ storage: storage!, concurrency: 2 });
const items = Array.from({ length: Number(tasks) }, (_, i) => i);
let seen = 0;
for await (const _ of pool.map((n) => new Float64Array(7500).fill(n), items, { retain: "consumed" })) {
  seen += 1;
  if (seen === Number(dieAfter)) process.kill(process.pid, "SIGKILL");
}
