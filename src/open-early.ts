import { loadScript } from "./built-scripts.ts";
import { type StartedProcess, startProcess } from "./compute/local/start-process.ts";
import { resolvePoolOptions } from "./config.ts";
import type { PoolOptions } from "./options.ts";
import type { Pool } from "./pool.ts";

export type { Context, MapItems, NestedPool, Pool, Resolved, RunInput } from "./pool.ts";

type Whole = typeof import("./pool.ts");
let whole: Whole | undefined;

/**
 * `openPool` as the built package has it, in place of the one in pool.ts (tsdown.config.ts exchanges them): the first
 * worker's process boots while the rest of Kinglet loads, which brings the first result 15 to 25 ms forward.
 */
export function openPool(options?: PoolOptions): Pool {
  const resolved = resolvePoolOptions(options);
  const started = whole ? undefined : startFirst(resolved);
  try {
    whole ??= loadScript("main") as Whole;
    return whole.openResolved(resolved, started);
  } catch (error) {
    started?.child.kill("SIGKILL");
    throw error;
  }
}

/** Undefined where pool.ts starts none ahead, or where it can't be started: the error comes when one is needed. */
function startFirst({ memoryMb, compute = "local" }: PoolOptions): StartedProcess | undefined {
  if (memoryMb !== undefined || compute !== "local") return undefined;
  const { execPath, execArgv } = process;
  try {
    const started = startProcess({ memoryMb, execPath, execArgv });
    started.child.on("error", () => {}); // whoever takes it over hears of it too
    return started;
  } catch {
    return undefined;
  }
}
