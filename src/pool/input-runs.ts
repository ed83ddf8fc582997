import { createHash } from "node:crypto";
import type { Codec } from "../codec/contract.ts";
import { UnserializableError } from "../errors.ts";
import { ENTRY_OBJECT, ENTRY_VALUE, type EntryKind, RunBuilder } from "../job/entries.ts";
import { objectName, objectThresholdBytes } from "../job/keys.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";
import type { JobCore } from "./job-core.ts";

export interface InputContext {
  readonly codec: Codec;
  readonly store: ObjectStore;
  /** Where big items go. */
  readonly dataPrefix: string;
  readonly jobNumber: number;
  /** The job that is being fed. */
  readonly core: JobCore;
  /** Name big items by their content, so that equal ones are found again. */
  readonly byContent?: boolean;
}

/** Builds runs of inputs, item by item. */
export class InputRuns {
  readonly context: InputContext;
  readonly #thresholdBytes: number;
  index = 0;
  bytes = 0;
  /** Items below it may have been stored as objects, even before they are recorded. */
  storedEnd = 0;
  #run: RunBuilder | undefined;
  #puts: Promise<unknown>[] | undefined;

  constructor(context: InputContext) {
    this.context = context;
    this.#thresholdBytes = objectThresholdBytes(context.store);
  }

  get count(): number {
    return this.#run?.count ?? 0;
  }

  get runBytes(): number {
    return this.#run?.bodyBytes ?? 0;
  }

  /** @throws UnserializableError naming `items[index].path` */
  add(item: unknown): void {
    const { codec, store, jobNumber, byContent } = this.context;
    let chunks: Uint8Array[];
    try {
      chunks = codec.encode(item, "item");
    } catch (error) {
      if (!(error instanceof UnserializableError)) throw error;
      codec.encode(item, `items[${this.index}]`); // throws again, with the item's place in its path
      throw error;
    }
    this.context.core.code?.noteEncoded();
    let lengthBytes = 0;
    for (const chunk of chunks) lengthBytes += chunk.length;
    if (lengthBytes < this.#thresholdBytes) this.addEntry(ENTRY_VALUE, chunks);
    else {
      const name = byContent ? `in-${sha256(chunks)}` : `in-${jobNumber}-${this.index}`;
      const key = this.context.dataPrefix + objectName(name);
      const put = store.put(key, chunks);
      put.catch(() => {}); // it is awaited in `take`
      this.#puts ??= [];
      this.#puts.push(put);
      this.addEntry(ENTRY_OBJECT, [Buffer.from(key)]);
      this.storedEnd = this.index;
    }
    this.bytes += lengthBytes;
  }

  addEntry(kind: EntryKind, chunks: readonly Uint8Array[]): void {
    this.#run ??= new RunBuilder({ jobNumber: this.context.jobNumber, attempt: 0, first: this.index });
    this.#run.add(kind, chunks);
    this.index += 1;
  }

  /** The run so far, of one item at least; a promise while big items are being stored. */
  take(): MaybePromise<Uint8Array> {
    const chunks = this.#run!.finish();
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    const puts = this.#puts;
    this.#puts = undefined;
    this.#run = undefined;
    if (!puts) return bytes;
    const stored = Promise.all(puts).then(() => bytes);
    stored.catch(() => {}); // nobody may draw it any more, if the job failed meanwhile
    return stored;
  }
}

function sha256(chunks: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}
