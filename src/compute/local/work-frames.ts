import type { JobRef, OutcomeLocation } from "../../job/contract.ts";
import type { Invocation, InvocationOptions, OutcomeReport, TaskTries } from "../contract.ts";
import { binaryFrame, FACTS_AT, FRAME_INVOKE, FRAME_OUTCOMES, withRest } from "./protocol.ts";

/**
 * The two frames that go to and fro for every batch. They are binary, without a JSON head, since a call of
 * `pool.run` takes little longer than writing and parsing JSON would. What all batches of a job have in common
 * goes ahead of them in a frame of its own (FRAME_JOB), where it isn't what the worker has heard last.
 *
 *   INVOKE   = sequence u32 | attempt u32 | job number u32 | count u32 | first f64 | packed inputs
 *   OUTCOMES = sequence u32 | ended u8 | length of log name u8 | 2 × 0 | length u32 | offset f64 | busy ms f64 |
 *              log name | packed run
 *
 * An OUTCOMES frame without a log name holds outcomes that lie nowhere else.
 */
const INVOKE_BYTES = 24;
const OUTCOMES_BYTES = 28;

/** Where the facts of a frame are made. Buffer's own methods are JavaScript, and slow until they have run for long. */
const facts = new DataView(new ArrayBuffer(OUTCOMES_BYTES));
const invokeFacts = new Uint8Array(facts.buffer, 0, INVOKE_BYTES);
const outcomesFacts = new Uint8Array(facts.buffer);

/** Head of FRAME_JOB: what the batches that follow have in common. */
export interface JobHead {
  readonly slot: string;
  readonly journalId: string;
  readonly journalPrefix: string;
  readonly functionKey: string;
  readonly code?: string | undefined;
  readonly logId?: string | undefined;
  readonly options: InvocationOptions;
  /** Of the next batch alone. */
  readonly tries?: TaskTries;
}

export function jobHeadOf(invocation: Invocation): JobHead {
  const { slot, job, journalPrefix, functionKey, code, logId, options, tries } = invocation;
  const head = { slot, journalId: job.journalId, journalPrefix, functionKey, code, logId, options };
  return tries === undefined ? head : { ...head, tries };
}

/** Whether the worker that has heard `head` knows all of the invocation but its numbers and inputs. */
export function isOfJob(head: JobHead, invocation: Invocation): boolean {
  return (
    head.functionKey === invocation.functionKey &&
    head.code === invocation.code &&
    head.logId === invocation.logId &&
    head.journalId === invocation.job.journalId &&
    head.journalPrefix === invocation.journalPrefix &&
    head.slot === invocation.slot &&
    head.tries === undefined &&
    invocation.tries === undefined &&
    haveEqualOptions(head.options, invocation.options)
  );
}

function haveEqualOptions(a: InvocationOptions, b: InvocationOptions): boolean {
  return (
    a.timeoutMs === b.timeoutMs &&
    a.isolate === b.isolate &&
    a.memoryMb === b.memoryMb &&
    // Its user may have changed it in place.
    a.env === undefined &&
    b.env === undefined &&
    a.flushEachTask === b.flushEachTask &&
    a.sync === b.sync &&
    a.depth === b.depth &&
    a.inlineOutcomeBytes === b.inlineOutcomeBytes
  );
}

export function encodeInvoke(sequence: number, invocation: Invocation): Uint8Array[] {
  const { inputs } = invocation;
  const frame = binaryFrame(FRAME_INVOKE, INVOKE_BYTES, inputs);
  facts.setUint32(0, sequence, true);
  facts.setUint32(4, invocation.attempt, true);
  facts.setUint32(8, invocation.job.number, true);
  facts.setUint32(12, invocation.count, true);
  facts.setFloat64(16, invocation.first, true);
  frame.set(invokeFacts, FACTS_AT);
  return withRest(frame, inputs);
}

export const sequenceOf = (body: Buffer): number => body.readUInt32LE(0);

export function decodeInvoke(body: Buffer, head: JobHead): Invocation {
  const job: JobRef = { journalId: head.journalId, number: body.readUInt32LE(8) };
  return {
    attempt: body.readUInt32LE(4),
    slot: head.slot,
    job,
    journalPrefix: head.journalPrefix,
    functionKey: head.functionKey,
    ...(head.code === undefined ? undefined : { code: head.code }),
    ...(head.logId === undefined ? undefined : { logId: head.logId }),
    first: body.readDoubleLE(16),
    count: body.readUInt32LE(12),
    inputs: body.subarray(INVOKE_BYTES),
    options: head.options,
    ...(head.tries ? { tries: head.tries } : undefined),
  };
}

/** `ended`: the attempt has ended well with these outcomes; no frame says so again. */
export function encodeOutcomes(sequence: number, report: OutcomeReport, ended: boolean): Uint8Array[] {
  const { location, run } = report;
  const log = location?.log ?? "";
  const frame = binaryFrame(FRAME_OUTCOMES, OUTCOMES_BYTES + log.length, run);
  facts.setUint32(0, sequence, true);
  facts.setUint32(4, (ended ? 1 : 0) | (log.length << 8), true);
  facts.setUint32(8, location?.lengthBytes ?? 0, true);
  facts.setFloat64(12, location?.offsetBytes ?? 0, true);
  facts.setFloat64(20, report.busyMs, true);
  frame.set(outcomesFacts, FACTS_AT);
  if (log !== "") frame.write(log, FACTS_AT + OUTCOMES_BYTES, "latin1");
  return withRest(frame, run);
}

/** What an OUTCOMES frame says, but for its sequence number. */
export interface DecodedOutcomes {
  readonly ended: boolean;
  readonly report: OutcomeReport;
}

export function decodeOutcomes(body: Buffer): DecodedOutcomes {
  const logNameBytes = body[5]!;
  const runAt = OUTCOMES_BYTES + logNameBytes;
  const run = body.subarray(runAt);
  const report = {
    location: logNameBytes === 0 ? undefined : decodeLocation(body, logNameBytes),
    // Of the run's own header (job/entries.ts).
    first: body.readDoubleLE(runAt + 8),
    count: body.readUInt32LE(runAt + 16),
    run,
    busyMs: body.readDoubleLE(20),
  };
  return { ended: body[4] === 1, report };
}

const decodeLocation = (body: Buffer, logNameBytes: number): OutcomeLocation => ({
  log: body.toString("latin1", OUTCOMES_BYTES, OUTCOMES_BYTES + logNameBytes),
  offsetBytes: body.readDoubleLE(12),
  lengthBytes: body.readUInt32LE(8),
});
