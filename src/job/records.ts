import type { OutcomeLocation } from "./contract.ts";
import type { FrameBuffer } from "./frames.ts";

/**
 * The records of a driver's log. Those that every job has are binary, the rest is JSON:
 *   payload = type u8 | body
 * Types are never reused; readers skip types that they don't know (FORMAT.md, "Driver log").
 */
export type JournalRecord =
  | { readonly type: "header"; readonly header: JournalHeader }
  /** `json`: of `job`, where its writer has it at hand: its beginning, and the UTF-8 of the rest. */
  | {
      readonly type: "job";
      readonly job: JobMeta;
      readonly json?: { readonly begin: string; readonly rest: Uint8Array };
    }
  | { readonly type: "inputs"; readonly run: Uint8Array }
  /** From the inputs that follow on, tasks need this code package. */
  | { readonly type: "code"; readonly jobNumber: number; readonly code: string }
  | { readonly type: "input-complete"; readonly jobNumber: number; readonly total: number }
  | CommitRecord
  /** Outcomes that the driver itself decides (crashed, timed-out, …), or that a report brought whole. A commit too. */
  | { readonly type: "outcome"; readonly run: Uint8Array }
  | {
      readonly type: "ended";
      readonly jobNumber: number;
      readonly state: JobEndState;
      readonly reason?: string;
    }
  | ConsoleRecord
  | { readonly type: "event"; readonly jobNumber: number; readonly event: StoredEvent }
  /** First record of an epoch > 0: how much of each earlier epoch's driver log counts. */
  | { readonly type: "seal"; readonly sealedBytes: Readonly<Record<string, number>> };

export interface JournalHeader {
  readonly format: 1;
  readonly kinglet: string;
  readonly node: string;
  readonly driverId: string;
  readonly epoch: number;
  readonly createdMs: number;
}

export type JobKind = "map" | "mapSettled" | "run";
export type JobEndState = "done" | "failed" | "cancelled" | "broken";

/** What a job is: all that is needed to go on with it in another process. */
export interface JobMeta {
  readonly number: number;
  readonly kind: JobKind;
  readonly functionHash: string;
  readonly functionName: string;
  readonly functionLocation: string;
  /** The code package of its first invocations, where workers don't see the driver's files. */
  readonly code?: string;
  readonly createdMs: number;
  readonly name?: string;
  /** The script that the user ran, for `kinglet jobs`. */
  readonly script?: string;
  /** Options that a resumed job needs again; only plain JSON. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Id of the job whose task started this one. */
  readonly parent?: string;
}

export interface CommitRecord {
  readonly type: "commit";
  readonly jobNumber: number;
  readonly first: number;
  readonly count: number;
  /** How many of these outcomes are failures. */
  readonly failed: number;
  readonly location: OutcomeLocation;
}

export interface ConsoleRecord {
  readonly type: "console";
  readonly jobNumber: number;
  readonly attempt: number;
  readonly index?: number;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
  readonly atMs: number;
}

/** A fact about attempts, for reports and the timeline: plain JSON. */
export interface StoredEvent {
  readonly kind: string;
  readonly atMs: number;
  readonly [fact: string]: unknown;
}

const TYPE_CODE = {
  header: 1,
  job: 2,
  inputs: 3,
  "input-complete": 4,
  commit: 5,
  outcome: 6,
  ended: 7,
  console: 8,
  event: 9,
  seal: 10,
  code: 11,
} as const satisfies Record<JournalRecord["type"], number>;
const TYPE_OF_CODE = new Map<number, JournalRecord["type"]>(
  Object.entries(TYPE_CODE).map(([type, code]) => [code, type as JournalRecord["type"]]),
);
const CLOSING_BRACE = 0x7d;
const END_STATES: readonly JobEndState[] = ["done", "failed", "cancelled", "broken"];

/** Adds a record's payload to the frame that was begun. */
export function writeRecord(record: JournalRecord, to: FrameBuffer): void {
  to.addByte(TYPE_CODE[record.type]);
  switch (record.type) {
    case "inputs":
    case "outcome":
      to.addBytes(record.run);
      break;
    case "commit":
      writeCommit(record, to);
      break;
    case "input-complete":
      to.addU32(record.jobNumber);
      to.addF64(record.total);
      break;
    case "ended":
      to.addU32(record.jobNumber);
      to.addByte(END_STATES.indexOf(record.state));
      if (record.reason) to.addText(record.reason);
      break;
    case "job":
      if (record.json) {
        to.addText(`{"job":${record.json.begin}`);
        to.addBytes(record.json.rest);
        to.addByte(CLOSING_BRACE);
      } else to.addText(`{"job":${JSON.stringify(record.job)}}`);
      break;
    default: {
      const { type: _, ...body } = record;
      to.addText(JSON.stringify(body));
    }
  }
}

/** The record, or undefined where a newer Kinglet wrote a type that this one doesn't know. */
export function decodeRecord(payload: Uint8Array): JournalRecord | undefined {
  const type = TYPE_OF_CODE.get(payload[0]!);
  if (type === undefined) return undefined;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  switch (type) {
    case "inputs":
    case "outcome":
      return { type, run: payload.subarray(1) };
    case "commit":
      return readCommit(bytes);
    case "input-complete":
      return { type, jobNumber: bytes.readUInt32LE(1), total: bytes.readDoubleLE(5) };
    case "ended": {
      const state = END_STATES[bytes[5]!] ?? "broken";
      const reason = bytes.toString("utf8", 6);
      return { type, jobNumber: bytes.readUInt32LE(1), state, ...(reason ? { reason } : {}) };
    }
    default:
      return { type, ...JSON.parse(bytes.toString("utf8", 1)) } as JournalRecord;
  }
}

// commit = 5 | jobNumber u32 | first f64 | count u32 | failed u32 | offset f64 | length u32 | log name, UTF-8
const COMMIT_BYTES = 33;

function writeCommit(record: CommitRecord, to: FrameBuffer): void {
  const { location } = record;
  to.addU32(record.jobNumber);
  to.addF64(record.first);
  to.addU32(record.count);
  to.addU32(record.failed);
  to.addF64(location.offsetBytes);
  to.addU32(location.lengthBytes);
  to.addText(location.log);
}

function readCommit(bytes: Buffer): CommitRecord {
  return {
    type: "commit",
    jobNumber: bytes.readUInt32LE(1),
    first: bytes.readDoubleLE(5),
    count: bytes.readUInt32LE(13),
    failed: bytes.readUInt32LE(17),
    location: {
      offsetBytes: bytes.readDoubleLE(21),
      lengthBytes: bytes.readUInt32LE(29),
      log: bytes.toString("utf8", COMMIT_BYTES),
    },
  };
}
