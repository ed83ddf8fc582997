// A driver of its own, for tests that end it: starts one task in a worker, prints what the test needs to know.
// Usage: node driver.fixture.ts <store folder> <loop | idle | ended>
import { createLocalBackend } from "../../../src/compute/local/backend.ts";
import { openDiskStore } from "../../../src/storage/disk.ts";
import { ComputeProbe } from "../../conformance/compute-probe.ts";

const [root, mode] = process.argv.slice(2) as [string, "loop" | "idle" | "ended"];
const backend = createLocalBackend({ store: { kind: "disk", root }, slots: 2 });
const probe = new ComputeProbe(backend, openDiskStore(root));
await probe.scaleTo(2);

const sayPid = (forEver: boolean): number => {
  console.log(`pid ${process.pid}`);
  while (forEver);
  return process.pid;
};
const attempts = await Promise.all(
  ["local-0", "local-1"].map((slot) => probe.start(sayPid, [mode === "loop"], { slot })),
);
await probe.until(() => probe.lines.length === 2);
if (mode !== "loop") await Promise.all(attempts.map((attempt) => attempt.values()));
console.log(JSON.stringify(probe.lines.map((line) => Number(line.text.slice(4)))));
// `ended`: nothing is under way, so this process ends by itself, though the pool was not closed.
if (mode === "idle") setInterval(() => {}, 1000);
