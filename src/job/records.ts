import type { OutcomeLocation } from "./contract.ts";

/**
 * The records of a driver's log. Bulk records (inputs, outcomes, commits) are binary, the rest is JSON:
 *   payload = type u8 | body
 * Types are never reused; readers skip types that they don't know (FORMAT.md, "Driver log").
 */
export type JournalRecord =
  | { readonly type: "header"; readonly header: JournalHeader }
  | { readonly type: "job"; readonly job: JobMeta }
  | { readonly type: "inputs"; readonly run: Uint8Array }
  | { readonly type: "input-complete"; readonly jobNumber: number; readonly total: number }
  | CommitRecord
  /** Outcomes that the driver itself decides: crashed, timed-out, cancelled, upstream-failed, … A commit too. */
  | { readonly type: "outcome"; readonly run: Uint8Array }
  | { readonly type: "ended"; readonly jobNumber: number; readonly state: JobEndState; readonly reason?: string }
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
} as const satisfies Record<JournalRecord["type"], number>;
const TYPE_OF_CODE = new Map<number, JournalRecord["type"]>(
  Object.entries(TYPE_CODE).map(([type, code]) => [code, type as JournalRecord["type"]]),
);
const TYPE_BYTE = Object.fromEntries(
  Object.entries(TYPE_CODE).map(([type, code]) => [type, Uint8Array.of(code)]),
) as Record<JournalRecord["type"], Uint8Array>;

/** Chunks of a record's payload (frames.ts puts them in a frame). */
export function encodeRecord(record: JournalRecord): Uint8Array[] {
  switch (record.type) {
    case "inputs":
    case "outcome":
      return [TYPE_BYTE[record.type], record.run];
    case "commit":
      return [encodeCommit(record)];
    default: {
      const { type, ...body } = record;
      return [Buffer.from(`${String.fromCharCode(TYPE_CODE[type])}${JSON.stringify(body)}`)];
    }
  }
}

/** The record, or undefined where a newer Kinglet wrote a type that this one doesn't know. */
export function decodeRecord(payload: Uint8Array): JournalRecord | undefined {
  const type = TYPE_OF_CODE.get(payload[0]!);
  if (type === undefined) return undefined;
  if (type === "inputs" || type === "outcome") return { type, run: payload.subarray(1) };
  if (type === "commit") return decodeCommit(payload);
  return { type, ...JSON.parse(Buffer.from(payload.subarray(1)).toString()) } as JournalRecord;
}

// commit = 5 | jobNumber u32 | first f64 | count u32 | failed u32 | offset f64 | length u32 | log name, UTF-8
function encodeCommit(record: CommitRecord): Uint8Array {
  const { location } = record;
  const bytes = Buffer.allocUnsafe(33 + Buffer.byteLength(location.log));
  bytes[0] = TYPE_CODE.commit;
  bytes.writeUInt32LE(record.jobNumber, 1);
  bytes.writeDoubleLE(record.first, 5);
  bytes.writeUInt32LE(record.count, 13);
  bytes.writeUInt32LE(record.failed, 17);
  bytes.writeDoubleLE(location.offsetBytes, 21);
  bytes.writeUInt32LE(location.lengthBytes, 29);
  bytes.write(location.log, 33);
  return bytes;
}

function decodeCommit(payload: Uint8Array): CommitRecord {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    type: "commit",
    jobNumber: bytes.readUInt32LE(1),
    first: bytes.readDoubleLE(5),
    count: bytes.readUInt32LE(13),
    failed: bytes.readUInt32LE(17),
    location: {
      offsetBytes: bytes.readDoubleLE(21),
      lengthBytes: bytes.readUInt32LE(29),
      log: bytes.toString("utf8", 33),
    },
  };
}

