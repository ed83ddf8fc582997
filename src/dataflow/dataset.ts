import type { Pool } from "../index.ts";
import { type DatasetPart, partArray } from "./dataset-part.ts";

/**
 * The results of a computation, one object for each partition, in the pool's store: the input of another stage, or to be gone
 * over. Objects stay until `delete`.
 *
 * @example
 * const counts = await mapReduce(pool, files, { map, combine, output: { dataset: "counts" } });
 * for await (const [word, count] of counts) console.log(word, count);
 */
export class Dataset<R> implements AsyncIterable<R> {
  readonly #pool: Pool;
  readonly parts: readonly DatasetPart[];

  constructor(pool: Pool, parts: readonly DatasetPart[]) {
    this.#pool = pool;
    this.parts = parts;
  }

  /** Number of values. */
  get count(): number {
    return this.parts.reduce((sum, part) => sum + part.count, 0);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<R, void, undefined> {
    // Workers decode, since a process of this pool may not know how values are encoded.
    const parts = this.#pool.map((part, ctx) => partArray(part, ctx), this.parts.slice());
    for await (const values of parts) yield* values as R[];
  }

  /** All values, in the order of the partitions. */
  async toArray(): Promise<R[]> {
    const values: R[] = [];
    for await (const value of this) values.push(value);
    return values;
  }

  async delete(): Promise<void> {
    await this.#pool.store.delete(...this.parts.map(({ key }) => key));
  }
}
