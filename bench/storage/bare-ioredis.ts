import { Redis } from "ioredis";
import type { Place, StorageClient } from "./client.ts";

/** ioredis on one connection: `SET` and `GET`, pipelined as the calls come. */
export function openBareIoredis(address: NonNullable<Place["redis"]>): StorageClient {
  const client = new Redis({ ...address, enableAutoPipelining: true });
  const nameOf = (key: string) => `bare:${key}`;
  return {
    put: async (key, body) => {
      await client.set(nameOf(key), body as Buffer);
    },
    get: async (key) => (await client.getBuffer(nameOf(key)))?.length ?? 0,
    delete: async (keys) => {
      await client.del(keys.map(nameOf));
    },
    close: async () => {
      await client.quit();
    },
  };
}
