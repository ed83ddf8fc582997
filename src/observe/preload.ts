/**
 * Loaded by `kinglet run` into the script's process, before the script (`node --import`): shows what its pools do.
 * The registry of observers is shared by all copies of the package, so it doesn't matter whose `openPool` the script
 * calls.
 */
import { isMainThread } from "node:worker_threads";
import { observe } from "../observers.ts";
import { openTerminal } from "./terminal.ts";

// Threads of the script load this too, and so do processes that it forks with the same arguments.
const mark = "KINGLET_PROGRESS";
if (isMainThread && process.env[mark] === "shown") {
  delete process.env[mark];
  const display = openTerminal({ stderr: process.stderr, stdout: process.stdout });
  observe(display.observer);
  process.on("exit", () => display.finish());
}
