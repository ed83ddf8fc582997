import { pathToFileURL } from "node:url";
import { UsageError } from "../errors.ts";

/** Marks a function that stands for an export of a module: it is sent as a reference, nothing is captured. */
export const MODULE_TASK: unique symbol = Symbol.for("kinglet.module-task") as never;

export interface ModuleTask {
  readonly url: string;
  readonly exportName: string;
}

export const moduleTaskOf = (fn: unknown): ModuleTask | undefined =>
  typeof fn === "function" ? (fn as { [MODULE_TASK]?: ModuleTask })[MODULE_TASK] : undefined;

type Functions<M> = {
  readonly [K in keyof M as M[K] extends (...args: never[]) => unknown ? K : never]: M[K];
};

/**
 * An explicit module in place of a closure, typed. Works also where no inspector is.
 *
 * @example
 * const tasks = task<typeof import("./tasks.ts")>(import.meta.resolve("./tasks.ts"));
 * await pool.map(tasks.resize, photos);
 * await pool.map(task<typeof import("./one.ts"), "default">(import.meta.resolve("./one.ts"), "default"), items);
 * @throws UsageError BAD_ARGUMENT if `url` is no URL of a module
 */
export function task<M>(url: string | URL): Functions<M>;
export function task<M, K extends keyof Functions<M> & string = keyof Functions<M> & string>(
  url: string | URL,
  exportName: K,
): Functions<M>[K];
export function task(url: string | URL, exportName?: string): unknown {
  const href = moduleUrl(url);
  if (exportName !== undefined) return moduleTask({ url: href, exportName });
  return new Proxy(Object.create(null), {
    get: (_target, name) =>
      typeof name === "string" && name !== "then" ? moduleTask({ url: href, exportName: name }) : undefined,
  });
}

/** An absolute URL or path, or one relative to the current folder. @throws UsageError BAD_ARGUMENT */
export function moduleUrl(url: string | URL): string {
  if (url instanceof URL) return url.href;
  if (typeof url === "string" && /^(file|node|data):/.test(url)) return url;
  if (typeof url === "string" && /^(\.{0,2}\/|[A-Za-z]:\\)/.test(url)) return pathToFileURL(url).href;
  throw new UsageError("BAD_ARGUMENT", `${JSON.stringify(url)} is neither a URL nor a path of a module`, {
    remedy:
      'Pass import.meta.resolve("./tasks.ts"), new URL("./tasks.ts", import.meta.url), or a path that begins with "./".',
  });
}

/** A function that can be called here as well: it imports the module and calls its export. */
function moduleTask(where: ModuleTask): unknown {
  const call = async (...args: unknown[]) => {
    const module = (await import(where.url)) as Record<string, (...args: unknown[]) => unknown>;
    return module[where.exportName]!(...args);
  };
  return Object.defineProperty(call, MODULE_TASK, { value: where });
}
