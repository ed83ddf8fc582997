import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/**
 * A few bytes that the driver and one worker share, and that outlive the worker: what it is doing just now, and what
 * the driver wants of the invocations it was sent. A file without a name, in memory where the system has a folder for
 * that, handed on as a descriptor: about 1 µs a write, exact after any crash, and nothing to clean up. It isn't in the
 * job's store because that may be on another machine.
 *
 *   0   state: sequence u32 | phase u32 | attempt u32 | check u32 | task index f64 | started at, monotonic ms f64
 *   32  doorbell u32: sequence number of the last invocation that was sent
 *   64  orders: ORDER_CELLS × (sequence u32 | order u32)
 *
 * `sequence` counts the invocations that were sent to this process. An order and a start can't miss each other: the
 * worker writes its state, then reads the orders; the driver writes the order, then reads the state.
 */
const STATE_BYTES = 32;
const DOORBELL_AT = 32;
const ORDERS_AT = 64;
const ORDER_CELLS = 32;
const ORDER_BYTES = ORDER_CELLS * 8;
const MARKER_BYTES = ORDERS_AT + ORDER_BYTES;

export const PHASE_IDLE = 0;
/** The function of a task is being loaded. */
export const PHASE_LOADING = 1;
export const PHASE_TASK = 2;
export type Phase = 0 | 1 | 2;

/** Don't start it, if it hasn't started. */
export const ORDER_REVOKE = 1;
/** Stop it. */
export const ORDER_ABORT = 2;
export type Order = 1 | 2;

export interface WorkerState {
  /** 0 before the first invocation. */
  readonly sequence: number;
  readonly phase: Phase;
  readonly attempt: number;
  readonly index: number;
  /** See worker/monotonic.ts. */
  readonly startedMs: number;
}

/** Index and time enter with their low bits: enough to notice a state that was read while it was written. */
function checkOf(sequence: number, phase: number, attempt: number, index: number, startedMs: number): number {
  return (
    (Math.imul(sequence, 31) ^
      Math.imul(phase, 0x9e3779b1) ^
      attempt ^
      Math.imul(index, 17) ^
      Math.imul(startedMs * 1024, 7)) >>>
    0
  );
}

/** The worker's side. */
export class MarkerWriter {
  readonly #fd: number;
  readonly #bytes = Buffer.alloc(STATE_BYTES);
  readonly #words = new Uint32Array(this.#bytes.buffer, this.#bytes.byteOffset, 4);
  readonly #numbers = new Float64Array(this.#bytes.buffer, this.#bytes.byteOffset + 16, 2);
  readonly #orders = new Uint32Array(ORDER_CELLS * 2);
  readonly #doorbell = new Uint32Array(1);

  constructor(fd: number) {
    this.#fd = fd;
  }

  write({ sequence, phase, attempt, index, startedMs }: WorkerState): void {
    this.#words[0] = sequence;
    this.#words[1] = phase;
    this.#words[2] = attempt;
    this.#words[3] = checkOf(sequence, phase, attempt, index, startedMs);
    this.#numbers[0] = index;
    this.#numbers[1] = startedMs;
    fs.writeSync(this.#fd, this.#bytes, 0, STATE_BYTES, 0);
  }

  /** Number of the last invocation that was sent. */
  lastSent(): number {
    fs.readSync(this.#fd, this.#doorbell, 0, 4, DOORBELL_AT);
    return this.#doorbell[0]!;
  }

  /** The driver's order for an invocation, if any. */
  orderFor(sequence: number): Order | undefined {
    fs.readSync(this.#fd, this.#orders, 0, ORDER_BYTES, ORDERS_AT);
    for (let cell = 0; cell < ORDER_CELLS * 2; cell += 2) {
      if (this.#orders[cell] === sequence) return this.#orders[cell + 1] as Order;
    }
    return undefined;
  }
}

/** Linux's O_TMPFILE, which Node doesn't name. Source: open(2). */
const O_TMPFILE = 0o20000000 | (fs.constants.O_DIRECTORY ?? 0);

/** Linux's folder in memory: a write costs a fifth of what it costs on a disk. */
const MEMORY_FOLDER = "/dev/shm";

/** A file without a name, readable and writable by this user alone. @throws Error of the file system */
function openNameless(): number {
  const folder = os.tmpdir();
  if (process.platform === "linux") {
    for (const place of [MEMORY_FOLDER, folder]) {
      try {
        return fs.openSync(place, O_TMPFILE | fs.constants.O_RDWR, 0o600);
      } catch {
        // not every file system can; the other way says what is wrong, if it fails as well
      }
    }
  }
  // Only a driver killed between these two calls leaves the file, which is empty.
  const random = Math.floor(Math.random() * 2 ** 48).toString(36);
  const file = path.join(folder, `kinglet-marker-${process.pid}-${random}`);
  const fd = fs.openSync(file, "wx+", 0o600);
  fs.unlinkSync(file);
  return fd;
}

/** The driver's side. */
export class Marker {
  /** To be handed to the worker. */
  readonly fd: number;
  readonly #doorbell = new Uint32Array(1);
  #orders = 0;

  /** @throws Error of the file system where the temporary folder can't be written */
  constructor() {
    this.fd = openNameless();
    // Reserves the bytes: a full disk must not fail a task's start later.
    fs.writeSync(this.fd, Buffer.alloc(MARKER_BYTES), 0, MARKER_BYTES, 0);
  }

  read(): WorkerState {
    const bytes = Buffer.alloc(STATE_BYTES);
    for (let tries = 0; ; tries++) {
      fs.readSync(this.fd, bytes, 0, STATE_BYTES, 0);
      const sequence = bytes.readUInt32LE(0);
      const phase = bytes.readUInt32LE(4) as Phase;
      const attempt = bytes.readUInt32LE(8);
      const index = bytes.readDoubleLE(16);
      const startedMs = bytes.readDoubleLE(24);
      const whole = bytes.readUInt32LE(12) === checkOf(sequence, phase, attempt, index, startedMs);
      if (whole || tries === 100) return { sequence, phase, attempt, index, startedMs };
    }
  }

  /** An invocation was sent: a worker that watches needs no waking, which costs more than all else. */
  ring(sequence: number): void {
    this.#doorbell[0] = sequence;
    fs.writeSync(this.fd, this.#doorbell, 0, 4, DOORBELL_AT);
  }

  /** Puts up an order; `takeBack` removes it again. */
  order(sequence: number, order: Order): { takeBack(): void } {
    const at = ORDERS_AT + (this.#orders++ % ORDER_CELLS) * 8;
    const cell = Buffer.alloc(8);
    cell.writeUInt32LE(sequence, 0);
    cell.writeUInt32LE(order, 4);
    fs.writeSync(this.fd, cell, 0, 8, at);
    return { takeBack: () => fs.writeSync(this.fd, Buffer.alloc(8), 0, 8, at) };
  }

  close(): void {
    fs.closeSync(this.fd);
  }
}
