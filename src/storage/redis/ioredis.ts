import { UsageError } from "../../errors.ts";
import type { Argument } from "./wire.ts";

/** ioredis' methods that leave bytes as they are: `getBuffer`, and one for each script. */
export type IoRedisCommands = Readonly<Record<string, (...args: Argument[]) => Promise<unknown>>>;

export type IoRedis = Pick<typeof import("ioredis"), "Redis" | "Cluster" | "Command">;

/** @throws UsageError BAD_OPTION if it isn't installed */
export async function loadIoRedis(): Promise<IoRedis> {
  try {
    return await import("ioredis");
  } catch (cause) {
    throw new UsageError(
      "BAD_OPTION",
      'the option "storage" is a Redis store, but "ioredis" isn\'t installed',
      {
        cause,
        remedy: "Install it beside Kinglet: npm i ioredis",
        details: { option: "storage" },
      },
    );
  }
}
