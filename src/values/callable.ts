import type { CapturedFunction } from "../capture/contract.ts";
import { captureFunction, captureModule } from "../capture/index.ts";
import { UsageError } from "../errors.ts";
import { show } from "../options.ts";
import { moduleTaskOf, moduleUrl } from "./task-module.ts";

/**
 * The function of a call, captured; or a reference to a module's export.
 *
 * @param where the call, as messages name it: `map`, `ctx.pool.map`
 * @param example the call, as the remedy shows it: `pool.map`, `ctx.pool.map`
 * @throws UsageError BAD_ARGUMENT if it is no function; CaptureError if it can't be sent
 */
export function captureCallable(fn: unknown, where: string, example: string): CapturedFunction {
  const module = moduleTaskOf(fn);
  if (module) return captureModule(module.url, module.exportName);
  if (typeof fn === "string" || fn instanceof URL) return captureModule(moduleUrl(fn), "default");
  if (typeof fn === "function") return captureFunction(fn as (...args: unknown[]) => unknown);
  throw new UsageError("BAD_ARGUMENT", `${where}: the function is ${show(fn)}`, {
    remedy: `Pass a function first: ${example}((item) => …, …).`,
  });
}
