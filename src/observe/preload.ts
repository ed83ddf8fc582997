/**
 * Loaded by `kinglet run` into the script's process, before the script (`node --import`): shows what its pools do.
 * The registry of observers is shared by all copies of the package, so it doesn't matter whose `openPool` the script
 * calls.
 */
import { isMainThread } from "node:worker_threads";

const TRANSFORM_HINT =
  "kinglet: Node only strips types. Enums, namespaces and parameter properties need a transformation:\n" +
  "    kinglet run --node-arg=--import=tsx script.ts (npm install tsx), or --node-arg=--experimental-transform-types\n\n";
// Threads and workers of the script load this too, with its other Node options: to them it must cost nothing.
const mark = "KINGLET_PROGRESS";
if (isMainThread && process.env[mark] === "shown") {
  delete process.env[mark];
  const [{ observe }, { openTerminal }] = await Promise.all([
    import("../observers.ts"),
    import("./terminal.ts"),
  ]);
  const display = openTerminal({ stderr: process.stderr, stdout: process.stdout });
  observe(display.observer);
  process.on("exit", () => display.finish());
  process.on("uncaughtExceptionMonitor", (error: NodeJS.ErrnoException) => {
    if (error?.code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") process.stderr.write(TRANSFORM_HINT);
  });
}
