import { fileURLToPath } from "node:url";
import workerpool from "workerpool";

const { workers } = JSON.parse(process.argv[2]);
const script = fileURLToPath(new URL("./cold-worker-workerpool.mjs", import.meta.url));
const pool = workerpool.pool(script, { maxWorkers: workers, workerType: "thread" });
console.log(await pool.exec("increment", [41]));
await pool.terminate();
