import { it } from "vitest";
import type { ObjectInfo, ObjectStore, StoreCapabilities } from "../../src/storage/contract.ts";
import type { StoreModule } from "./put-race.ts";

/** A new, empty store. */
export interface OpenedStore {
  readonly store: ObjectStore;
  /** The same store once more, as another process sees it. Absent where it lives in one handle only. */
  readonly reopen?: () => Promise<ObjectStore>;
  /** For races between processes: how another process opens it. Absent where none can. */
  readonly module?: StoreModule;
  readonly cleanUp?: () => Promise<void>;
}

export interface SuiteOptions {
  /** What `open` gives; chooses the tests. */
  readonly capabilities: StoreCapabilities;
  /** Whether other handles, and other processes, see the same objects. Where not, say why. */
  readonly sharing: { readonly handles: true | string; readonly processes: true | string };
}

export type Current = () => OpenedStore;

export const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
export const read = async (store: ObjectStore, key: string): Promise<string> =>
  Buffer.from(await store.get(key)).toString();
export const listed = async (items: AsyncIterable<ObjectInfo>): Promise<string[]> =>
  (await all(items)).map(({ key }) => key);

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function* streamOf(...pieces: (string | Uint8Array)[]): AsyncIterable<Uint8Array> {
  for (const piece of pieces) yield typeof piece === "string" ? text(piece) : piece;
}

/** Bytes in which every place can be told from its neighbours. */
export function patternOf(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i += 1) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return bytes;
}

export function unless(reason: true | string, title: string, test: () => Promise<void>): void {
  if (reason === true) it(title, test);
  else it.skip(`${title} (skipped: ${reason})`, test);
}

export const FIVE_MEBIBYTES = 5 * 1024 * 1024 + 3;
