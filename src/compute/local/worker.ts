import fs from "node:fs";
import type { Socket } from "node:net";
import os from "node:os";
import { setImmediate } from "node:timers"; // not the global, which a task may replace
import { inspect } from "node:util";
import { restoreFunction, workerGraphLane } from "../../capture/restore.ts";
import { mapStack } from "../../capture/stack.ts";
import { createCodec } from "../../codec/codec.ts";
import type { Codec, GraphLane } from "../../codec/contract.ts";
import { cacheCompiledCode, keepCompiledCode } from "../../compile-cache.ts";
import { jobId } from "../../job/keys.ts";
import { storeAt } from "../../storage/locate.ts";
import { setBroadcastCodec } from "../../values/broadcast.ts";
import { registerHandles } from "../../values/register.ts";
import { NamedStore } from "../../values/stored-object.ts";
import { BatchControl } from "../../worker/batch-control.ts";
import { FunctionCache } from "../../worker/functions.ts";
import { InputReader } from "../../worker/inputs.ts";
import { LateCode } from "../../worker/late-code.ts";
import { monotonicMs } from "../../worker/monotonic.ts";
import { TaskPool } from "../../worker/nested.ts";
import { ProposalLogs } from "../../worker/proposal-logs.ts";
import { type BatchHost, runBatch } from "../../worker/run-batch.ts";
import { emptyScratch } from "../../worker/scratch.ts";
import { type Drive, drive } from "../../worker/steps.ts";
import type { AttemptEnd, Invocation, OutcomeReport } from "../contract.ts";
import { BlockingChannel } from "./blocking-channel.ts";
import { MarkerWriter, ORDER_ABORT, PHASE_IDLE, PHASE_LOADING, PHASE_TASK } from "./marker.ts";
import {
  type AbortHead,
  CONTROL_FD,
  encodeFrame,
  FRAME_ABORT,
  FRAME_CONSOLE,
  FRAME_ENDED,
  FRAME_FATAL,
  FRAME_INIT,
  FRAME_INVOKE,
  FRAME_JOB,
  FRAME_READY,
  FRAME_REPLY,
  FRAME_REQUEST,
  type Frame,
  FrameParser,
  type InitHead,
  MARKER_FD,
  REPORT_FD,
  type ReplyHead,
  WORK_FD,
} from "./protocol.ts";
import { takeOverOutput } from "./task-output.ts";
import { Watch } from "./watch.ts";
import { decodeInvoke, encodeOutcomes, type JobHead, sequenceOf } from "./work-frames.ts";

/** Between invocations the event loop goes round at least this often: for timers and finalizers. */
const TURN_EVERY_MS = 5;

const driverGone = (): never => process.exit(0);

/**
 * The worker process: reads an invocation, runs it, answers, until the driver hangs up.
 * @param hasRun is called when the first invocation has run, before its answer
 */
export async function runWorker(hasRun: () => void = () => {}): Promise<void> {
  const channel = new BlockingChannel(WORK_FD, REPORT_FD, driverGone);
  const reportFatal = (error: unknown, origin: string): never => {
    channel.send(encodeFrame(FRAME_FATAL, { origin }, Buffer.from(errorText(error))));
    process.exit(1);
  };
  process.on("uncaughtException", reportFatal);
  const init = channel.read();
  if (init.type !== FRAME_INIT) throw new Error(`the first frame has the type ${init.type}`);
  const { workerId, store: location, scratch } = init.head as InitHead;
  const store = await storeAt(location);
  const inputs = new InputReader(store);
  const codec = createCodec(workerGraphLane());
  registerHandles();
  setBroadcastCodec(codec);
  const parts: WorkerParts = {
    store,
    functions: new FunctionCache(store, restoreFunction),
    code: new LateCode(store),
    inputs,
    logs: new ProposalLogs(store, workerId),
    services: {
      pool: (surroundings, codec) => new TaskPool({ surroundings, codec, inputs }),
      store: () => new NamedStore(location, store),
    },
    codec,
    hasRun,
  };
  const worker = new LocalWorker(channel, parts, scratch);
  channel.send(encodeFrame(FRAME_READY, {}));
  cacheCompiledCode(); // of what functions import
  // Not from here: the code after an `await` is inside a promise callback (see worker/steps.ts).
  setImmediate(() => worker.serve());
}

type HostParts = Pick<BatchHost, "store" | "functions" | "code" | "inputs" | "logs" | "services" | "codec">;
type WorkerParts = HostParts & { readonly hasRun: () => void };

interface Running {
  readonly sequence: number;
  readonly invocation: Invocation;
  readonly control: BatchControl;
  /** Requests that wait for the driver's answer. */
  readonly requests: Map<number, (payload: Uint8Array) => void>;
  index: number | undefined;
}

class LocalWorker {
  readonly #channel: BlockingChannel;
  readonly #parts: WorkerParts;
  readonly #scratch: string | undefined;
  readonly #marker = new MarkerWriter(MARKER_FD);
  readonly #endLines: () => void;
  #running: Running | undefined;
  #drive: Drive | undefined;
  #controlSocket: Socket | undefined;
  /** Outcomes that go along with the attempt's end. */
  #lastReport: OutcomeReport | undefined;
  #requestCount = 0;
  /** What the invocations that come now have in common. */
  #jobHead: JobHead | undefined;
  #turnedMs = monotonicMs();
  #doneSequence = 0;
  /** With one core, whoever watches holds up the driver. */
  readonly #watch =
    os.availableParallelism() > 1
      ? new Watch(() => this.#marker.lastSent() !== this.#doneSequence)
      : undefined;
  #scope: GraphLane | undefined;
  #scopeCodec: Codec;

  constructor(channel: BlockingChannel, parts: WorkerParts, scratch: string | undefined) {
    this.#channel = channel;
    this.#parts = parts;
    this.#scratch = scratch;
    this.#scopeCodec = parts.codec;
    this.#endLines = takeOverOutput((stream, lines) => this.#print(stream, lines));
    process.on("beforeExit", () => this.#nothingLeft());
  }

  /** Takes invocations until one must wait for something; its end calls this again. */
  serve(): void {
    for (;;) {
      if (monotonicMs() - this.#turnedMs > TURN_EVERY_MS) {
        setImmediate(() => {
          this.#turnedMs = monotonicMs();
          this.serve();
        });
        return;
      }
      const frame = this.#channel.read(this.#watch);
      if (frame.type === FRAME_JOB) this.#jobHead = frame.head as JobHead;
      else if (frame.type === FRAME_INVOKE && !this.#invoke(frame.body)) return;
    }
  }

  /** @returns false where the invocation goes on after this call */
  #invoke(frame: Buffer): boolean {
    const sequence = sequenceOf(frame);
    this.#doneSequence = sequence;
    const invocation = decodeInvoke(frame, this.#jobHead!);
    const { attempt, first } = invocation;
    // Where the function is loaded already, the first task begins with this.
    const isLoaded = this.#parts.functions.has(invocation.functionKey, invocation.code);
    const phase = isLoaded ? PHASE_TASK : PHASE_LOADING;
    this.#marker.write({ sequence, phase, attempt, index: first, startedMs: monotonicMs() });
    if (this.#marker.orderFor(sequence)) {
      this.#marker.write({ sequence, phase: PHASE_IDLE, attempt, index: first, startedMs: 0 });
      this.#sendEnd(sequence, { kind: "revoked", startedTask: undefined, evidence: "not started" });
      return true;
    }
    const control = new BatchControl(jobId(invocation.job));
    const running: Running = { sequence, invocation, control, requests: new Map(), index: undefined };
    this.#running = running;
    let returned = false;
    let ended = false;
    this.#drive = drive(
      runBatch(invocation, this.#hostFor(running, isLoaded), control),
      (end) => {
        ended = true;
        this.#running = undefined;
        this.#controlSocket?.unref();
        this.#sendEnd(sequence, end);
        if (returned) setImmediate(() => this.serve());
      },
      (bug) => {
        throw bug;
      },
    );
    returned = true;
    if (!ended) this.#openControl();
    return ended;
  }

  #sendEnd(sequence: number, end: AttemptEnd): void {
    if (sequence === 1) this.#parts.hasRun();
    const last = this.#lastReport;
    this.#lastReport = undefined;
    if (last) this.#channel.queue(encodeOutcomes(sequence, last, end.kind === "ok"));
    if (!last || end.kind !== "ok") {
      const [told, body] = end.kind === "unloadable" ? [{ kind: end.kind }, end.error] : [end, undefined];
      this.#channel.queue(encodeFrame(FRAME_ENDED, { sequence, end: told }, body));
    }
    this.#channel.flush();
    if (sequence === 1) keepCompiledCode();
  }

  #hostFor(running: Running, firstIsMarked: boolean): BatchHost {
    const { sequence, invocation, control } = running;
    const { attempt } = invocation;
    return {
      ...this.#parts,
      codecFor: (scope) => {
        if (scope !== this.#scope) {
          this.#scope = scope;
          this.#scopeCodec = createCodec(scope);
        }
        return this.#scopeCodec;
      },
      taskStarts: (index, startedMs, loading) => {
        this.#endLines();
        running.index = index;
        if (loading) return; // marked when the invocation was claimed
        if (this.#scratch !== undefined) emptyScratch(this.#scratch);
        if (firstIsMarked && index === invocation.first) return;
        this.#marker.write({ sequence, phase: PHASE_TASK, attempt, index, startedMs });
      },
      noTaskRuns: () => {
        this.#endLines();
        this.#marker.write({ sequence, phase: PHASE_IDLE, attempt, index: running.index ?? 0, startedMs: 0 });
      },
      progressed: (report, isLast) => this.#report(sequence, report, isLast),
      request: (payload) => this.#request(running, payload),
      nowMs: monotonicMs,
      pollOrders: () => {
        if (this.#marker.orderFor(sequence) === ORDER_ABORT) control.abort("cancelled");
      },
    };
  }

  #report(sequence: number, report: OutcomeReport, isLast: boolean): void {
    if (isLast)
      this.#lastReport = report; // the attempt's end follows, in the same frame
    else this.#channel.send(encodeOutcomes(sequence, report, false));
  }

  #print(stream: "stdout" | "stderr", lines: string): void {
    const running = this.#running;
    if (!running) {
      // No attempt to charge it to: the descriptor's own way.
      fs.writeSync(stream === "stdout" ? 1 : 2, `${lines}\n`);
      return;
    }
    const { invocation, index } = running;
    const head = { attempt: invocation.attempt, index, stream, atMs: Date.now() };
    this.#channel.send(encodeFrame(FRAME_CONSOLE, head, Buffer.from(lines)));
  }

  #request(running: Running, payload: Uint8Array): Promise<Uint8Array> {
    this.#requestCount += 1;
    const requestId = this.#requestCount;
    return new Promise((resolve) => {
      running.requests.set(requestId, resolve);
      this.#channel.send(
        encodeFrame(FRAME_REQUEST, { attempt: running.invocation.attempt, requestId }, payload),
      );
    });
  }

  /** Only once a task waits: `node:net` costs some milliseconds. */
  #openControl(): void {
    if (this.#controlSocket) return;
    const net = process.getBuiltinModule("node:net");
    const socket = new net.Socket({ fd: CONTROL_FD, readable: true, writable: true });
    const parser = new FrameParser();
    socket.on("data", (chunk) => parser.push(chunk, (frame) => this.#obey(frame)));
    socket.on("end", driverGone);
    socket.on("error", driverGone);
    socket.unref();
    this.#controlSocket = socket;
  }

  #obey(frame: Frame): void {
    const running = this.#running;
    if (!running) return;
    if (frame.type === FRAME_ABORT) {
      const { sequence, index, order } = frame.head as AbortHead;
      if (sequence === running.sequence && (index === undefined || index === running.index))
        running.control.abort(order);
    } else if (frame.type === FRAME_REPLY) {
      const { requestId } = frame.head as ReplyHead;
      const resolve = running.requests.get(requestId);
      running.requests.delete(requestId);
      resolve?.(frame.body);
    }
  }

  /** The event loop is empty while a task waits: only the driver could still wake it, if anyone. */
  #nothingLeft(): void {
    const running = this.#running;
    if (!running) return;
    const mayBeWoken = running.requests.size > 0 || running.control.isListenedTo;
    if (mayBeWoken) this.#controlSocket?.ref();
    else this.#drive?.neverSettles();
  }
}

function errorText(error: unknown): string {
  try {
    return mapStack(inspect(error));
  } catch {
    return "an error that can't be printed";
  }
}
