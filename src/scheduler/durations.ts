const BUCKETS_PER_OCTAVE = 4;
const OCTAVES_BELOW_1MS = 10; // from 1 µs
const BUCKETS = 36 * BUCKETS_PER_OCTAVE; // to about 18 hours

/** Task times of one job in constant memory: a moving mean for batches, a histogram for the median. */
export class Durations {
  /** Moving mean of a task's time; undefined before the first report. */
  meanMs: number | undefined;
  /** Tasks measured. */
  tasks = 0;
  #histogram: Float64Array | undefined;

  /** `count` tasks took `busyMs` together. */
  add(busyMs: number, count: number): void {
    if (count <= 0) return;
    const taskMs = Math.max(0, busyMs) / count;
    this.meanMs = this.meanMs === undefined ? taskMs : this.meanMs * 0.7 + taskMs * 0.3;
    this.tasks += count;
    // Most jobs of `pool.run` report once: no histogram for them.
    if (this.tasks === count) {
      this.#firstMs = taskMs;
      return;
    }
    if (!this.#histogram) {
      this.#histogram = new Float64Array(BUCKETS);
      this.#histogram[bucketOf(this.#firstMs)] = this.tasks - count;
    }
    this.#histogram[bucketOf(taskMs)]! += count;
  }

  #firstMs = 0;

  /** Median of a task's time, within 20 %; undefined before the first report. */
  medianMs(): number | undefined {
    if (!this.#histogram) return this.meanMs;
    let left = this.tasks / 2;
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.#histogram[i]!;
      if (left <= 0) return 2 ** ((i + 1) / BUCKETS_PER_OCTAVE - OCTAVES_BELOW_1MS);
    }
    return this.meanMs;
  }
}

function bucketOf(ms: number): number {
  const bucket = Math.floor((Math.log2(Math.max(ms, 1e-9)) + OCTAVES_BELOW_1MS) * BUCKETS_PER_OCTAVE);
  return Math.min(BUCKETS - 1, Math.max(0, bucket));
}
