import { StoreError } from "../errors.ts";
import type { RunSource } from "./merge.ts";
import type { RunStore } from "./run-store.ts";
import type { Lost } from "./shuffle-spec.ts";

/** A run of another task isn't there, or is damaged: it must be made again. */
export class LostRun extends Error {
  readonly run: number;

  constructor(run: number, cause: unknown) {
    super(`run ${run} of the shuffle can't be read`, { cause });
    this.run = run;
  }
}

const LOST = ["NOT_FOUND", "STORE_CORRUPT"];

/** A range of an object, chunk by chunk; the next one is fetched while the last one is used. */
export class RangeSource implements RunSource {
  readonly name: string;
  readonly #store: Pick<RunStore, "get">;
  readonly #run: number;
  readonly #chunkBytes: number;
  #at: number;
  readonly #end: number;
  #ahead: Promise<Uint8Array> | undefined;
  gets = 0;

  constructor(
    store: Pick<RunStore, "get">,
    name: string,
    run: number,
    range: { offset: number; length: number },
    chunkBytes: number,
  ) {
    this.#store = store;
    this.name = name;
    this.#run = run;
    this.#at = range.offset;
    this.#end = range.offset + range.length;
    this.#chunkBytes = chunkBytes;
  }

  async next(): Promise<Uint8Array | undefined> {
    const fetching = this.#ahead ?? this.#fetch();
    this.#ahead = undefined;
    const chunk = await fetching;
    if (chunk === undefined) return undefined;
    this.#ahead = this.#fetch();
    // Looked at when it is asked for; until then a failure is nobody's.
    this.#ahead?.catch(() => {});
    return chunk;
  }

  #fetch(): Promise<Uint8Array> | undefined {
    const lengthBytes = Math.min(this.#chunkBytes, this.#end - this.#at);
    if (lengthBytes <= 0) return undefined;
    const offsetBytes = this.#at;
    this.#at += lengthBytes;
    this.gets++;
    return this.#store.get(this.name, { offsetBytes, lengthBytes }).then((chunk) => {
      if (chunk.length === lengthBytes) return chunk;
      throw new StoreError("STORE_CORRUPT", `${this.name} is shorter than when it was written`);
    });
  }

  failure(error: unknown): unknown {
    const { code } = error as { code?: string };
    return code !== undefined && LOST.includes(code) ? new LostRun(this.#run, error) : error;
  }
}

/** How often a range that doesn't match its checksum is read again: it may have been damaged on its way. */
const MAX_REREADS = 2;

/** Says which run is lost in place of failing: the driver makes it again, and asks again. */
export async function orLost<T>(work: () => Promise<T>): Promise<T | Lost> {
  for (let rereads = 0; ; rereads++) {
    try {
      return await work();
    } catch (error) {
      const lost = error instanceof LostRun ? error : (error as { cause?: unknown }).cause;
      if (!(lost instanceof LostRun)) throw error;
      const isDamaged = (lost.cause as { code?: string }).code === "STORE_CORRUPT";
      if (!isDamaged || rereads === MAX_REREADS) return { lost: [lost.run] };
    }
  }
}
