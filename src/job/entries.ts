import { checksum, FRAME_HEADER_BYTES, frameChunks } from "./frames.ts";

/**
 * Packed runs of entries: how inputs travel to workers and how outcomes are stored.
 * One entry is one task's input or outcome; a run holds those of consecutive tasks.
 *
 *   run   = jobNumber u32 | attempt u32 | first f64 | count u32 | flags u8 | 3 × 0 | entry headers | bodies
 *   entry header = kind u8 | length u32, little-endian, back to back
 */
export const ENTRY_VALUE = 0; // codec bytes
export const ENTRY_OBJECT = 1; // UTF-8 key of an object that holds the codec bytes
export const ENTRY_OUTCOME = 2; // JSON OutcomeRef: the outcome of another task, read from storage by the worker
export const ENTRY_OUTCOMES = 3; // JSON OutcomeRef[]: the outcomes of a whole job, which arrive as an array
export const ENTRY_THREW = 4; // codec bytes of the error that the task threw
export const ENTRY_UNSERIALIZABLE = 5; // codec bytes of the UnserializableError of what the task returned
export const ENTRY_FAILED = 6; // JSON FailedOutcome: the task did not end by itself (crashed, timed out, cancelled, …)
export type EntryKind = 0 | 1 | 2 | 3 | 4 | 5 | 6;

export interface Entry {
  readonly kind: EntryKind;
  readonly body: Uint8Array;
}

/** Where the outcome of a task lies: an entry of a run, which is a frame's payload in a log. */
export interface OutcomeRef {
  readonly logKey: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** Task index; the run may hold others beside it. */
  readonly index: number;
  /** In a list of refs: this one stands for `count` consecutive tasks of the run, from `index` on. Default 1. */
  readonly count?: number;
  /** Bytes before the run in the frame's payload: 1 in a driver's log (the record's type), 0 (default) in a worker's. */
  readonly skipBytes?: 0 | 1;
  /** The reader gets a PromiseSettledResult rather than the value (the task belongs to a `mapSettled`). */
  readonly settled?: boolean;
}

/** Body of ENTRY_FAILED. */
export interface FailedOutcome {
  readonly kind: TaskFailureKind;
  readonly message: string;
  readonly evidence?: string;
  readonly attempts: number;
}
export type TaskFailureKind =
  | "crashed"
  | "out-of-memory"
  | "timed-out"
  | "lost"
  | "throttled"
  | "cancelled"
  | "upstream-failed";

/** Set in a run's flags where every entry is a value or an object: nothing threw. */
export const FLAG_ALL_OK = 1;

const RUN_HEADER_BYTES = 24;
/** Where a run's header is made. Buffer's own methods are JavaScript, and slow until they have run for long. */
const runHead = new DataView(new ArrayBuffer(RUN_HEADER_BYTES));
const runHeadBytes = new Uint8Array(runHead.buffer);
const ENTRY_HEADER_BYTES = 5;

export interface RunHeader {
  readonly jobNumber: number;
  readonly attempt: number;
  /** Index of the first task. */
  readonly first: number;
}

export const entryIsOk = (kind: EntryKind): boolean => kind <= ENTRY_OUTCOMES;

/**
 * Collects entries of consecutive tasks; reusable after `finish`. Bodies are kept by reference until then.
 *
 * @example
 * const run = new RunBuilder({ jobNumber: 0, attempt: 7, first: 100 });
 * run.add(ENTRY_VALUE, codec.encode(value, "result"));
 * await log.append(frameChunks(run.finish()));
 */
export class RunBuilder {
  readonly header: RunHeader;
  count = 0;
  /** Bytes of the bodies so far. */
  bodyBytes = 0;
  #kinds: EntryKind[] = [];
  #lengths: number[] = [];
  #bodies: Uint8Array[] = [];
  #allOk = true;

  constructor(header: RunHeader) {
    this.header = header;
  }

  add(kind: EntryKind, chunks: readonly Uint8Array[]): void {
    let lengthBytes = 0;
    for (const chunk of chunks) {
      lengthBytes += chunk.length;
      this.#bodies.push(chunk);
    }
    this.#kinds.push(kind);
    this.#lengths.push(lengthBytes);
    this.bodyBytes += lengthBytes;
    this.count += 1;
    if (!entryIsOk(kind)) this.#allOk = false;
  }

  /** Length of the run as it is by now. */
  get sizeBytes(): number {
    return RUN_HEADER_BYTES + ENTRY_HEADER_BYTES * this.count + this.bodyBytes;
  }

  /** The run's chunks: small ones are joined, so that one write is cheap. */
  finish(): Uint8Array[] {
    const headBytes = RUN_HEADER_BYTES + ENTRY_HEADER_BYTES * this.count;
    if (!this.#isJoined) {
      const head = Buffer.allocUnsafe(headBytes);
      this.#writeHead(head, 0);
      return [head, ...this.#bodies];
    }
    const bytes = Buffer.allocUnsafe(headBytes + this.bodyBytes);
    this.#writeJoined(bytes, 0);
    return [bytes];
  }

  /** As `finish`, in a frame (frames.ts): its chunks, and the run itself. */
  finishFrame(): { readonly frame: Uint8Array[]; readonly run: Uint8Array } {
    if (!this.#isJoined) {
      const chunks = this.finish();
      return { frame: frameChunks(chunks), run: Buffer.concat(chunks) };
    }
    const runBytes = this.sizeBytes;
    const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + runBytes);
    this.#writeJoined(bytes, FRAME_HEADER_BYTES);
    const run = bytes.subarray(FRAME_HEADER_BYTES);
    bytes.writeUInt32LE(runBytes, 0);
    bytes.writeUInt32LE(checksum(run), 4);
    return { frame: [bytes], run };
  }

  get #isJoined(): boolean {
    return this.bodyBytes <= 1024 * 1024;
  }

  #writeJoined(bytes: Buffer, offset: number): void {
    let at = this.#writeHead(bytes, offset);
    for (const body of this.#bodies) {
      bytes.set(body, at);
      at += body.length;
    }
  }

  /** Returns where the bodies begin. */
  #writeHead(head: Buffer, offset: number): number {
    const { jobNumber, attempt, first } = this.header;
    runHead.setUint32(0, jobNumber, true);
    runHead.setUint32(4, attempt, true);
    runHead.setFloat64(8, first, true);
    runHead.setUint32(16, this.count, true);
    runHead.setUint32(20, this.#allOk ? FLAG_ALL_OK : 0, true);
    head.set(runHeadBytes, offset);
    let at = offset + RUN_HEADER_BYTES;
    for (let i = 0; i < this.count; i++) {
      const lengthBytes = this.#lengths[i]!;
      head[at] = this.#kinds[i]!;
      head[at + 1] = lengthBytes & 255;
      head[at + 2] = (lengthBytes >>> 8) & 255;
      head[at + 3] = (lengthBytes >>> 16) & 255;
      head[at + 4] = lengthBytes >>> 24;
      at += ENTRY_HEADER_BYTES;
    }
    return at;
  }
}

/** A parsed run: views on its bytes. */
export class Run implements RunHeader {
  readonly bytes: Buffer;
  readonly jobNumber: number;
  readonly attempt: number;
  readonly first: number;
  readonly count: number;
  readonly allOk: boolean;
  #starts: Uint32Array | undefined;

  /** @throws RangeError if the bytes are no run (a frame's checksum comes first, so this means a bug). */
  constructor(bytes: Uint8Array) {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.length < RUN_HEADER_BYTES) throw new RangeError(`a run of ${view.length} bytes has no header`);
    this.bytes = view;
    this.jobNumber = view.readUInt32LE(0);
    this.attempt = view.readUInt32LE(4);
    this.first = view.readDoubleLE(8);
    this.count = view.readUInt32LE(16);
    this.allOk = (view[20]! & FLAG_ALL_OK) !== 0;
  }

  /** One past the last task's index. */
  get end(): number {
    return this.first + this.count;
  }

  kindOf(index: number): EntryKind {
    return this.bytes[RUN_HEADER_BYTES + ENTRY_HEADER_BYTES * this.#at(index)] as EntryKind;
  }

  /** The entry of task `index`. @throws RangeError if the run doesn't hold it. */
  entry(index: number): Entry {
    const i = this.#at(index);
    const starts = (this.#starts ??= this.#computeStarts());
    return { kind: this.kindOf(index), body: this.bytes.subarray(starts[i]!, starts[i + 1]!) };
  }

  /** How many of these tasks failed. */
  countFailed(first = this.first, count = this.count): number {
    if (this.allOk) return 0;
    let failed = 0;
    for (let index = first; index < first + count; index++) if (!entryIsOk(this.kindOf(index))) failed += 1;
    return failed;
  }

  #at(index: number): number {
    const i = index - this.first;
    if (!(i >= 0 && i < this.count))
      throw new RangeError(`task ${index} is not in the run ${this.first}–${this.end - 1}`);
    return i;
  }

  #computeStarts(): Uint32Array {
    const starts = new Uint32Array(this.count + 1);
    let at = RUN_HEADER_BYTES + ENTRY_HEADER_BYTES * this.count;
    for (let i = 0; i < this.count; i++) {
      starts[i] = at;
      at += this.bytes.readUInt32LE(RUN_HEADER_BYTES + ENTRY_HEADER_BYTES * i + 1);
    }
    starts[this.count] = at;
    if (at > this.bytes.length) throw new RangeError("a run's entries are longer than the run");
    return starts;
  }

  /** The entries of tasks `first`…`first + count - 1` as a run of their own. */
  slice(first: number, count: number): Uint8Array[] {
    if (first === this.first && count === this.count) return [this.bytes];
    const part = new RunBuilder({ jobNumber: this.jobNumber, attempt: this.attempt, first });
    for (let i = first; i < first + count; i++) {
      const { kind, body } = this.entry(i);
      part.add(kind, [body]);
    }
    return part.finish();
  }
}
