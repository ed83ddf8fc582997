// Preloaded into a driver: kills the process (SIGKILL) just before, or just after, its n-th write to the store.
// KILL_AT=n:before | n:after; KILL_COUNT=file: only counts, and writes the number there at the end.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

// What changes files; reads are no boundaries. Descriptors 0–2 are the script's own output.
const CALLS = [
  "openSync",
  "writeSync",
  "writevSync",
  "linkSync",
  "renameSync",
  "mkdirSync",
  "unlinkSync",
  "writev",
  "link",
];
const [at, when] = (process.env.KILL_AT ?? "").split(":");
let count = 0;

for (const name of CALLS) {
  const original = fs[name];
  fs[name] = function (...args) {
    const own = name.startsWith("write") && args[0] <= 2;
    const reading =
      name === "openSync" &&
      (args[1] === undefined || args[1] === "r" || (typeof args[1] === "number" && (args[1] & 3) === 0));
    if (own || reading || !process.env.KILL_ARMED) return original.apply(this, args);
    count += 1;
    if (count === Number(at) && when === "before") process.kill(process.pid, "SIGKILL");
    const result = original.apply(this, args);
    if (count === Number(at) && when === "after") process.kill(process.pid, "SIGKILL");
    return result;
  };
  if (original[Symbol.for("nodejs.util.promisify.custom")]) {
    fs[name][Symbol.for("nodejs.util.promisify.custom")] =
      original[Symbol.for("nodejs.util.promisify.custom")];
  }
}
syncBuiltinESMExports();
process.on("exit", () => {
  if (process.env.KILL_COUNT) fs.writeFileSync(process.env.KILL_COUNT, String(count));
});
