// A driver: vertices in a ring, each a partition of its own, pass on what they get; each call of `compute` is a line of a file.
// It dies after superstep `at`, or within it once two of its partitions are committed, or not at all.
import { appendFileSync, writeSync } from "node:fs";
import { bsp } from "../../../src/dataflow/index.ts";
import { observe, openPool } from "../../../src/index.ts";

const [storage, calls, mode, at, maxSupersteps] = process.argv.slice(2);
const dies = mode === "after" || mode === "within";
const die = () => process.kill(process.pid, "SIGKILL");
// Not captured, so that the functions are the same in all runs.
if (mode === "within") process.env["RING_STOPS_AT"] = at!;

let watched: string | undefined;
let committed = 0;
observe((event) => {
  if (event.kind === "job-opened" && event.name === `ring superstep ${at}`) watched = event.jobId;
  if (event.kind !== "job" || event.jobId !== watched || event.event.kind !== "committed") return;
  committed += event.event.count;
  if (mode === "within" && committed === 2) die();
});

const pool = openPool({ storage: storage!, concurrency: 1, batch: 1, logs: false });
const { vertices, supersteps, ended } = await bsp(pool, [0, 1, 2, 3], {
  vertices: (id) => [[id, id]],
  async compute(vertex, messages: readonly number[]) {
    // Those that the others' commits leave behind.
    if (vertex.id >= 2 && process.env["RING_STOPS_AT"] === String(vertex.superstep))
      await new Promise(() => {});
    appendFileSync(calls!, `${vertex.superstep}:${vertex.id}\n`);
    vertex.state += messages.reduce((sum, n) => sum + n, 0);
    vertex.send((vertex.id + 1) % 4, vertex.state);
  },
  name: "ring",
  partitions: 4,
  partition: (id) => id,
  maxSupersteps: Number(maxSupersteps),
  onSuperstep({ superstep }) {
    if (dies && mode === "after" && superstep === Number(at)) die();
  },
});
await pool.close();
writeSync(1, JSON.stringify({ vertices, supersteps, ended }));
