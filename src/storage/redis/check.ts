import { StoreError } from "../../errors.ts";
import type { RedisKeyValueStore } from "./store.ts";

/** Written and removed again when a store is opened. */
const PROBE = "probe";

/**
 * Finds out, before any task starts, whether the server will do: its version, that it drops nothing to make room, and that
 * it can be written.
 *
 * @throws StoreError
 */
export async function checkRedis(store: RedisKeyValueStore): Promise<void> {
  for (const server of store.client.servers()) {
    const facts = await store.client.run(() => server.info(), "look at the server", undefined);
    checkVersion(store.description, factOf(facts, "redis_version"));
    checkEviction(store.description, factOf(facts, "maxmemory"), factOf(facts, "maxmemory_policy"));
  }
  await store.compareAndSet(PROBE, undefined, new Uint8Array([1]), { ttlMs: 1000 });
}

function checkVersion(where: string, version: string | undefined): void {
  const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
  if (version === undefined || major > 6 || (major === 6 && minor >= 2)) return;
  throw new StoreError("STORE_VERSION", `can't use ${where}: it runs Redis ${version}`, {
    remedy: "Kinglet needs Redis 6.2 or newer.",
  });
}

/** A server that makes room by dropping keys would lose outcomes without a word. Those that expire anyway may go. */
function checkEviction(where: string, maxmemory: string | undefined, policy: string | undefined): void {
  if (!policy?.startsWith("allkeys-") || maxmemory === "0") return;
  throw new StoreError(
    "STORE_UNWRITABLE",
    `can't use ${where}: with maxmemory-policy ${policy} the server drops any key when its memory is full`,
    { remedy: "Set its maxmemory-policy to noeviction: a full server then says so." },
  );
}

function factOf(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1];
}
