/** What the tasks of a tree reduce do; this runs in workers. */
import type { Context, StoredObject } from "../index.ts";
import { uniqueName } from "./dataset-part.ts";

export function storeValue(prefix: string, value: unknown, ctx: Context): Promise<StoredObject> {
  return ctx.store.put(`${prefix}/value/${uniqueName(ctx.index)}`, ctx.encode(value));
}

export async function loadValue(stored: StoredObject, ctx: Context): Promise<unknown> {
  return ctx.decode(await stored.bytes());
}

/** Values in order as one. */
export async function combineStored(
  prefix: string,
  combine: (a: unknown, b: unknown) => unknown,
  group: readonly StoredObject[],
  ctx: Context,
): Promise<StoredObject> {
  let united = await loadValue(group[0]!, ctx);
  for (const stored of group.slice(1)) united = await combine(united, await loadValue(stored, ctx));
  return storeValue(prefix, united, ctx);
}
