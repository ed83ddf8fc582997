import type { SchedulerState } from "../../src/scheduler/machine.ts";
import type { JobState } from "../../src/scheduler/model.ts";
import { RangeSet } from "../../src/scheduler/range-set.ts";

/** @throws Error naming what is wrong; for tests and the simulation */
export function checkInvariants(state: SchedulerState): void {
  let waiting = 0;
  for (const attempt of state.attempts.values()) {
    if (attempt.phase === "waiting") {
      waiting += 1;
      check(state.waiting.has(attempt), `attempt ${attempt.id} waits, and nobody knows`);
    }
    const { host } = attempt;
    check(!host || host.guest === attempt, `attempt ${attempt.id} isn't its host's guest`);
    check(attempt.slot.attempts.includes(attempt), `attempt ${attempt.id} isn't on its slot`);
    check(attempt.job.attempts.has(attempt), `attempt ${attempt.id} isn't its job's`);
  }
  check(waiting === state.waiting.size, `${waiting} attempts wait, not ${state.waiting.size}`);
  for (const job of state.jobs.values()) checkJob(state, job);
}

function checkJob(state: SchedulerState, job: JobState): void {
  const slots = new Set([...job.attempts].map((attempt) => attempt.slot));
  check(slots.size === job.slots, `job ${job.id} holds ${slots.size} slots, not ${job.slots}`);
  check(
    job.slots <= job.plan.concurrency,
    `job ${job.id} holds ${job.slots} slots of ${job.plan.concurrency}`,
  );
  check(!job.ended, `job ${job.id} has ended`);
  check(
    !job.inputDone || job.decided.size < job.drawn,
    `job ${job.id} goes on though its ${job.drawn} tasks are decided`,
  );
  checkNothingLost(state, job);
}

/** Each undecided task is with an attempt, or waits for one, or for its time. */
function checkNothingLost(state: SchedulerState, job: JobState): void {
  const cared = new RangeSet();
  const { pairs } = { pairs: job.decided.pairs() };
  for (let i = 0; i < pairs.length; i += 2) cared.add(pairs[i]!, pairs[i + 1]!);
  for (const attempt of job.attempts) cared.add(attempt.cursor, attempt.ownEnd);
  for (const range of job.requeued) cared.add(range.first, range.end);
  for (const range of state.delayed) if (range.job === job) cared.add(range.first, range.end);
  cared.add(job.fresh, Math.max(job.fresh, job.drawn));
  const lost = cared.nextGap(0);
  check(lost >= job.drawn, `nobody will run task ${lost} of job ${job.id}`);
  const ready = job.requeued.length > 0 || job.decided.nextGap(job.fresh) < job.drawn;
  const held = job.slots >= job.plan.concurrency || (job.isOverspent && job.attempts.size > 0);
  check(!ready || job.queued || held, `job ${job.id} has work, but isn't in the queue`);
}

function check(condition: boolean, problem: string): void {
  if (!condition) throw new Error(`scheduler invariant broken: ${problem}`);
}
