import type { Clock, Random } from "../../src/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** Virtual time: what is due happens in order, and promises settle in between. The same calls give the same order. */
export class World {
  nowMs = 1_000_000;
  events = 0;
  readonly #heap: Timer[] = [];
  #order = 0;

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.nowMs + delayMs, order: this.#order++, callback, cancelled: false };
    this.#push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Runs until nothing is due any more, `until` says so, or a limit is passed. Returns what ended it. */
  async run(
    until: () => boolean,
    limits: { readonly endMs: number; readonly events: number },
  ): Promise<"done" | "idle" | "late" | "busy"> {
    await settled();
    while (!until()) {
      const timer = this.#pop();
      if (!timer) return "idle";
      if (timer.cancelled) continue;
      if (timer.atMs > limits.endMs) return "late";
      if (++this.events > limits.events) return "busy";
      this.nowMs = timer.atMs;
      timer.callback();
      await settled();
    }
    return "done";
  }

  /** As `run`, without promises: for big synchronous simulations. */
  runSync(until: () => boolean): void {
    for (let timer = this.#pop(); timer && !until(); timer = this.#pop()) {
      if (timer.cancelled) continue;
      this.events += 1;
      this.nowMs = timer.atMs;
      timer.callback();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(timer, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (!top || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last!;
    return top;
  }
}

const before = (a: Timer, b: Timer): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What a killed process throws at its next I/O. */
export class Killed extends Error {}

/** One process of the simulation: it may be paused and woken, or killed; at a time, or at its n-th I/O boundary. */
export class SimProcess {
  readonly name: string;
  readonly #world: World;
  readonly #killAt: number;
  #pauseAt = Number.POSITIVE_INFINITY;
  dead = false;
  boundaries = 0;
  #paused: (() => void)[] | undefined;
  onKilled: (() => void) | undefined;

  constructor(world: World, name: string, killAt = Number.POSITIVE_INFINITY) {
    this.#world = world;
    this.name = name;
    this.#killAt = killAt;
  }

  /** Passes an I/O boundary. @throws Killed if the process dies here, or is dead */
  boundary(): void {
    if (this.boundaries === this.#pauseAt) this.pause();
    if (!this.dead && this.boundaries++ === this.#killAt) this.kill();
    if (this.dead) throw new Killed(this.name);
  }

  /** Pauses after so many more boundaries. */
  pauseAfter(boundaries: number): void {
    this.#pauseAt = this.boundaries + boundaries;
  }

  kill(): void {
    if (this.dead) return;
    this.dead = true;
    this.#paused = undefined;
    this.onKilled?.();
  }

  pause(): void {
    if (!this.dead) this.#paused ??= [];
  }

  wake(): void {
    const waiting = this.#paused ?? [];
    this.#paused = undefined;
    for (const callback of waiting) this.deliver(callback);
  }

  /** Something reaches the process: now, when it wakes, or never. */
  deliver(callback: () => void): void {
    if (this.dead) return;
    if (this.#paused) this.#paused.push(callback);
    else callback();
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.#world.after(delayMs, () => this.deliver(callback));
  }

  get clock(): Clock {
    return { nowMs: () => this.#world.nowMs, after: (delayMs, callback) => this.after(delayMs, callback) };
  }
}

/** Choices from a seeded source. */
export class Dice {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.int(0, values.length - 1)]!;
  }
}
