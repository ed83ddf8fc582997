import type { Pool } from "../index.ts";
import type { FirstPart, Part } from "./bsp-spec.ts";
import { keepValue, keptValue } from "./bsp-tasks.ts";

/** All there is to know between two supersteps: where things are. Plain data, and what aggregators made. */
export interface Snapshot {
  /** The superstep that comes next. */
  readonly superstep: number;
  /** Names of the runs that the vertices were loaded from: others for other input. */
  readonly loaded: readonly string[];
  /** By partition. */
  readonly first: FirstPart[];
  /** By partition: where its states are. */
  readonly latest: Part[];
  /** What the last superstep wrote: where its messages are. */
  readonly sent: Part[];
  readonly aggregates: Record<string, unknown>;
}

const checkpointName = (prefix: string, superstep: number): string =>
  `${prefix}/checkpoint-${String(superstep).padStart(7, "0")}`;

/** Keeps the last two snapshots of a computation, and removes the objects that neither of them needs. */
export class Checkpoints {
  readonly #pool: Pool;
  readonly #prefix: string;
  readonly #isKept: boolean;
  #last: Snapshot | undefined;
  /** Names of older objects that are still needed: of partitions that had nothing to do since. */
  #held: string[] = [];
  #working: Promise<void> = Promise.resolve();

  /** @param isKept snapshots are written to the store, for another driver */
  constructor(pool: Pool, prefix: string, isKept: boolean) {
    this.#pool = pool;
    this.#prefix = prefix;
    this.#isKept = isKept;
  }

  /** The last one that an earlier driver kept, if it began with the same input. */
  async last(
    loaded: readonly string[],
  ): Promise<{ now: Snapshot; before: Snapshot | undefined } | undefined> {
    if (!this.#isKept) return undefined;
    const keys: string[] = [];
    for await (const { key } of this.#pool.store.list(`${this.#prefix}/checkpoint-`)) keys.push(key);
    const kept = (await this.#pool.map((key, ctx) => keptValue(key, ctx), keys.slice(-2))) as Snapshot[];
    const [now, before] = kept.filter((one) => isSame(one.loaded, loaded)).reverse();
    this.#last = now;
    if (now) this.#held = namesOf(now);
    return now && { now, before };
  }

  /** Begins to keep a snapshot, and then to remove what it and the one before don't need. */
  add(snapshot: Snapshot): void {
    const before = this.#last;
    this.#last = snapshot;
    const needed = new Set([...namesOf(snapshot), ...(before ? namesOf(before) : [])]);
    this.#working = this.#keep(snapshot).then(() => this.#drop(snapshot.superstep, needed));
    this.#working.catch(() => {}); // whoever waits for it is told
  }

  /** @throws what kept it from keeping or removing */
  settle(): Promise<void> {
    return this.#working;
  }

  async #keep(snapshot: Snapshot): Promise<void> {
    if (!this.#isKept) return;
    const key = checkpointName(this.#prefix, snapshot.superstep);
    await this.#pool.run((value, ctx) => keepValue(key, value, ctx), snapshot);
  }

  /** Two supersteps are complete since: the last one, and the one before. */
  async #drop(superstep: number, needed: ReadonlySet<string>): Promise<void> {
    const old = [...this.#held];
    const folder = superstep === 0 ? "map" : superstep > 2 ? `step-${superstep - 3}` : undefined;
    if (folder)
      for await (const { key } of this.#pool.store.list(`${this.#prefix}/${folder}/`)) old.push(key);
    this.#held = old.filter((key) => needed.has(key));
    const gone = old.filter((key) => !needed.has(key));
    if (this.#isKept && superstep > 1) gone.push(checkpointName(this.#prefix, superstep - 2));
    if (gone.length > 0) await this.#pool.store.delete(...gone);
  }

  /** Removes all but the last snapshot and what it needs, for a driver that goes on from there. */
  async dropAllButLast(): Promise<void> {
    const last = this.#last!;
    const needed = new Set([...namesOf(last), checkpointName(this.#prefix, last.superstep)]);
    const gone: string[] = [];
    for await (const { key } of this.#pool.store.list(`${this.#prefix}/`))
      if (!needed.has(key)) gone.push(key);
    if (gone.length > 0) await this.#pool.store.delete(...gone);
  }
}

const namesOf = ({ first, latest, sent }: Snapshot): string[] =>
  [first, latest, sent].flatMap((parts) => parts.map(({ name }) => name));

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);
