import type { KeyValueStore } from "../kv/contract.ts";
import { chunkKeys } from "./head.ts";

/**
 * Between the moment when an object's chunks stay and that when its head names them, `u/<id>` says so: if the writer dies there,
 * nothing else would know of them.
 */
export interface Intent {
  /** Of the object. */
  readonly key: string;
  /** Of its chunks. */
  readonly id: string;
  readonly sizeBytes: number;
}

const PREFIX = "u/";
/** Longer than any intent. */
const MAX_BYTES = 16_384;

export async function announce(store: KeyValueStore, { key, id, sizeBytes }: Intent): Promise<void> {
  await store.set(PREFIX + id, Buffer.from(JSON.stringify({ key, sizeBytes })), { listed: true });
}

export async function withdraw(store: KeyValueStore, id: string): Promise<void> {
  await store.delete([PREFIX + id]);
}

/** Removes the chunks of what was announced before `beforeMs`, unless the object's head names them. */
export async function sweepIntents(
  store: KeyValueStore,
  beforeMs: number,
  idOf: (key: string) => Promise<string | undefined>,
): Promise<void> {
  for await (const found of store.list(PREFIX, { maxBytes: MAX_BYTES })) {
    if (found.modifiedMs >= beforeMs) continue;
    const id = found.key.slice(PREFIX.length);
    const { key, sizeBytes } = JSON.parse(Buffer.from(found.value).toString()) as Omit<Intent, "id">;
    if ((await idOf(key)) !== id) await store.delete(chunkKeys({ id, sizeBytes }));
    await withdraw(store, id);
  }
}
