/** A bug to be planted in a copy of the source. The text must occur exactly once: a mutant can't go stale unseen. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly replace: string;
  readonly by: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "outcomes are shown before they are recorded",
    file: "scheduler/recording.ts",
    replace: "this.job.queue.write(this.#records, options, (result) => this.#written(result));",
    by: `for (const shown of this.#shown) this.#show(shown, []);
      this.#shown.length = 0;
      this.job.queue.write(this.#records, options, (result) => this.#written(result));`,
  },
  {
    name: "outcomes that came inline are recorded whole, with what was decided before",
    file: "scheduler/recording.ts",
    replace: "else this.#record(partOf(run, first, count));",
    by: "else this.#record(run);",
  },
  {
    name: "leadership isn't confirmed",
    file: "scheduler/journal-queue.ts",
    replace: "if (!confirm) return result;",
    by: "return result;",
  },
  {
    name: "after a torn append, writing goes on",
    file: "scheduler/journal-queue.ts",
    replace: "if (this.#failure) return this.#failure;",
    by: "",
  },
  {
    name: "the last report of a task wins, not the first",
    file: "scheduler/outcomes.ts",
    replace: "const added = job.decided.add(first, end);",
    by: "job.decided.add(first, end); const added = [first, end];",
  },
  {
    name: "work of an ended job is still handed out",
    file: "scheduler/outcomes.ts",
    replace: "  job.ended = true;\n  state.jobs.delete(job.id);",
    by: "  state.jobs.delete(job.id);",
  },
  {
    name: "attempts that wait for their inputs start though the job was cancelled",
    file: "scheduler/attempt-runs.ts",
    replace: "if (attempt.cancelled || job.ended || this.#gone.has(start.slot)) {",
    by: "if (this.#gone.has(start.slot)) {",
  },
  {
    name: "a crash charges the whole batch",
    file: "scheduler/attempt-ended.ts",
    replace: "charges.infrastructure += 1;",
    by: `for (let i = 0; i < left.length; i += 2) {
      for (let at = left[i]!; at < left[i + 1]!; at++) chargesOf(job, at).infrastructure += 1;
    }`,
  },
  {
    name: "what a revoked attempt held is forgotten",
    file: "scheduler/attempt-ended.ts",
    replace: 'case "revoked":\n      giveBack(state, job, left, 0);',
    by: 'case "revoked":',
  },
  {
    name: "a task that must not run twice is tried again",
    file: "scheduler/policy.ts",
    replace: 'if (!idempotent || kind === "timed-out") return false;',
    by: "",
  },
  {
    name: "starts of tasks that must not run twice aren't recorded",
    file: "scheduler/attempt-runs.ts",
    replace: "if (job.spec.options.idempotent !== false) {",
    by: "if (job.spec.options.idempotent !== undefined) {",
  },
  {
    name: "a failure that an earlier driver recorded doesn't end the map",
    file: "scheduler/state.ts",
    replace: "if (plan.stopOnFailure && decided?.failedIndex !== undefined)",
    by: "if (plan.knownLength === -1 && decided?.failedIndex !== undefined)",
  },
  {
    name: "a job ends with its last report, not with its last record",
    file: "scheduler/recording.ts",
    replace: "if (this.#records.length === 0) this.#finish();",
    by: "if (this.#records.length === 0 || this.#end) this.#finish();",
  },
  {
    name: "the job's concurrency is overlooked",
    file: "scheduler/dispatch.ts",
    replace: "if (!job.ended && hasWork(job) && job.slots < job.plan.concurrency) return job;",
    by: "if (!job.ended && hasWork(job)) return job;",
  },
];
