import type { AttemptEnd } from "../../src/compute/contract.ts";
import type { SchedulerEvent, SchedulerEventType } from "../../src/scheduler/commands.ts";
import type { SchedulerState } from "../../src/scheduler/machine.ts";
import type { AttemptState, JobState } from "../../src/scheduler/model.ts";

/** A state of what an event concerns, and the event: `running × cancel`. */
export type Pair = `${string} × ${string}`;

type JobPhase = "new" | "empty" | "drawing" | "awaiting input" | "drawn" | "ended";
type AttemptPhase = "queued" | "running" | "waiting" | "revoking" | "aborting" | "backed up" | "gone";
type MachinePhase = "quiet" | "idle slots" | "all busy" | "throttled" | "retries pending" | "slots lent";

const JOB_EVENTS = [
  "inputs-drawn",
  "input-pending",
  "input-ready",
  "input-failed",
  "committed",
  "adopted",
  "cancel",
  "fenced",
  "broken",
  "released",
] as const satisfies readonly SchedulerEventType[];

const isJobEvent = (type: SchedulerEventType): boolean => (JOB_EVENTS as readonly string[]).includes(type);

/** What the step is about to meet. */
export function coverageOf(state: SchedulerState, event: SchedulerEvent): Pair[] {
  const pairs: Pair[] = machinePhases(state).map((phase): Pair => `${phase} × ${event.type}`);
  if (event.type === "job-added") pairs.push(`${"new" satisfies JobPhase} × job-added`);
  else if (isJobEvent(event.type) && "job" in event)
    pairs.push(`${jobPhase(state.jobs.get(event.job))} × ${event.type}`);
  else if ("attempt" in event) {
    const attempt = state.attempts.get(event.attempt);
    const phase = attemptPhase(attempt);
    pairs.push(`${phase} × ${event.type}`);
    if (event.type === "attempt-ended") pairs.push(`${phase} × ${event.end.kind}`);
    if (attempt) pairs.push(`${jobPhase(attempt.job)} × ${event.type}`);
  }
  return pairs;
}

function jobPhase(job: JobState | undefined): JobPhase {
  if (!job || job.ended) return "ended";
  if (job.inputDone) return "drawn";
  if (job.input === "pending") return "awaiting input";
  return job.drawn === 0 ? "empty" : "drawing";
}

function attemptPhase(attempt: AttemptState | undefined): AttemptPhase {
  if (!attempt) return "gone";
  if (attempt.cancelling === "abort") return "aborting";
  if (attempt.cancelling === "revoke") return "revoking";
  if (attempt.phase !== "running") return attempt.phase;
  return attempt.hasBackup ? "backed up" : "running";
}

function machinePhases(state: SchedulerState): MachinePhase[] {
  const phases: MachinePhase[] = [];
  if (state.attempts.size === 0) phases.push("quiet");
  phases.push(state.slots.idle > 0 ? "idle slots" : "all busy");
  if (state.limit < Number.POSITIVE_INFINITY) phases.push("throttled");
  if (state.delayed.length > 0) phases.push("retries pending");
  if (state.waiting.size > 0) phases.push("slots lent");
  return phases;
}

const MACHINE_PHASES: readonly MachinePhase[] = [
  "quiet",
  "idle slots",
  "all busy",
  "throttled",
  "retries pending",
  "slots lent",
];

const MACHINE_EVENTS: readonly SchedulerEventType[] = [
  ...JOB_EVENTS,
  "job-added",
  "offer",
  "withdrawn",
  "proposed",
  "attempt-ended",
  "waiting",
  "resumed",
  "tick",
];

const ENDS: readonly AttemptEnd["kind"][] = [
  "ok",
  "crashed",
  "out-of-memory",
  "timed-out",
  "lost",
  "throttled",
  "cancelled",
  "revoked",
  "unloadable",
];

/** Pairs that can't be, and why. */
const IMPOSSIBLE: Readonly<Record<string, readonly SchedulerEventType[]>> = {
  // An input that has given nothing yet is being asked.
  empty: ["input-ready"],
  // An input that has said that there is nothing is asked again only after `input-ready`.
  "awaiting input": ["inputs-drawn", "input-pending", "input-failed", "adopted"],
  // Earlier outcomes are adopted before anything is drawn.
  drawing: ["adopted"],
  // The input was drawn to its end. (Recorded inputs that can't be read again: test/scheduler/driver.test.ts.)
  drawn: ["inputs-drawn", "input-pending", "input-failed", "adopted"],
  // The task of a queued attempt hasn't started, and asks for nothing.
  queued: ["waiting", "resumed"],
  // The adapter passes on no report of an attempt that has ended.
  gone: ["proposed"],
  quiet: ["proposed"],
  // The driver of an ended job draws nothing more.
  ended: ["input-pending", "input-failed"],
};

const table = (phases: readonly string[], events: readonly string[]): Pair[] =>
  phases.flatMap((phase) =>
    events
      .filter((event) => !IMPOSSIBLE[phase]?.includes(event as SchedulerEventType))
      .map((event): Pair => `${phase} × ${event}`),
  );

const ATTEMPT_EVENTS = ["proposed", "attempt-ended", "waiting", "resumed"];

export const EXPECTED_PAIRS: readonly Pair[] = [
  "new × job-added",
  ...table(["empty", "drawing", "awaiting input", "drawn", "ended"], JOB_EVENTS),
  ...table(["drawing", "awaiting input", "drawn", "ended"], ATTEMPT_EVENTS),
  ...table(["queued", "running", "waiting", "revoking", "aborting", "backed up", "gone"], ATTEMPT_EVENTS),
  ...table(["running"], ENDS),
  ...table(MACHINE_PHASES, MACHINE_EVENTS),
];
