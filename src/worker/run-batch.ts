import { clearTimeout, setTimeout } from "node:timers"; // not the globals, which a task may replace
import type { FunctionInstance, RestoredFunction } from "../capture/contract.ts";
import type { Codec, GraphLane } from "../codec/contract.ts";
import { whenReady } from "../codec/graph/unready.ts";
import type { AttemptEnd, Invocation } from "../compute/contract.ts";
import { ENTRY_OBJECT, ENTRY_VALUE, Run } from "../job/entries.ts";
import { jobId, objectName } from "../job/keys.ts";
import type { ObjectStore } from "../storage/contract.ts";
import type { BatchControl } from "./batch-control.ts";
import { TaskContext, type TaskServices, type TaskSurroundings } from "./context.ts";
import type { FunctionCache } from "./functions.ts";
import type { InputReader } from "./inputs.ts";
import type { LateCode } from "./late-code.ts";
import {
  describe,
  type EncodedOutcome,
  encodeResult,
  encodeThrown,
  FLUSH_AFTER_MS,
  isBig,
  mayPass,
  type OutcomeSink,
  OutcomeWriter,
  thrownOutcome,
} from "./outcomes.ts";
import { loopTurn, PENDING, Peek, runPendingTicks, type Steps } from "./steps.ts";

/**
 * What a batch needs of the worker it runs in. Knows nothing of processes: the local worker, a Lambda handler and a
 * pilot each bring their own.
 */
export interface BatchHost extends OutcomeSink {
  readonly store: ObjectStore;
  readonly functions: FunctionCache;
  readonly code: Pick<LateCode, "use">;
  readonly inputs: InputReader;
  readonly services: TaskServices;
  /** For errors where no function could be loaded. */
  readonly codec: Codec;
  codecFor(scope: GraphLane): Codec;
  /** Called just before a task starts (`loading`: before its function is loaded); kept where a crash can't reach it. */
  taskStarts(index: number, atMs: number, loading: boolean): void;
  /** No task is running: a crash from here on is nobody's. */
  noTaskRuns(): void;
  request(payload: Uint8Array): Promise<Uint8Array>;
  /** A clock that is never set back; see monotonic.ts. */
  nowMs(): number;
  /** Looks whether the driver wants this batch to stop; called every few milliseconds between tasks. */
  pollOrders(): void;
}

/** Between tasks, the event loop goes round this often: for timers, finalizers, and the driver's orders. */
const TURN_EVERY_MS = 5;

let bigObjects = 0;

/**
 * Runs the tasks of an invocation one after the other: reads the input, calls the function with fresh captured
 * state, commits the outcome once. Never throws for what a task does; the attempt's end says how it went.
 */
export function* runBatch(invocation: Invocation, host: BatchHost, control: BatchControl): Steps<AttemptEnd> {
  const restoreEnv = setEnv(invocation.options.env);
  try {
    return yield* runTasks(invocation, host, control);
  } finally {
    restoreEnv?.();
  }
}

function* runTasks(invocation: Invocation, host: BatchHost, control: BatchControl): Steps<AttemptEnd> {
  const { first, count, options } = invocation;
  host.taskStarts(first, host.nowMs(), true);
  let fn: RestoredFunction;
  try {
    const ready = host.code.use(invocation.code);
    if (ready) yield ready;
    const loaded = host.functions.load(invocation.functionKey, invocation.code);
    fn = loaded instanceof Promise ? ((yield loaded) as RestoredFunction) : loaded;
  } catch (error) {
    return cannotLoad(invocation, host, error);
  }
  let nowMs = host.nowMs();
  let turnedMs = nowMs;
  const writer = new OutcomeWriter(writerOptions(invocation), host, first, nowMs);
  const surroundings = surroundingsOf(invocation, host, control);
  const inputs = new Run(invocation.inputs);
  const end = first + count;
  let index = first;
  try {
    for (; index < end; index++) {
      if (control.stop) {
        host.noTaskRuns();
        yield* writer.flush(nowMs, true);
        return stopped(control.stop, undefined, options.timeoutMs);
      }
      const startMs = nowMs;
      host.taskStarts(index, startMs, false);
      control.taskStarts(index);
      const outcome = yield* runTask(fn, inputs, index, host, surroundings, writer);
      if (writer.failure !== undefined) throw writer.failure;
      const stored =
        outcome.kind === ENTRY_VALUE && isBig(outcome, host.store)
          ? yield* storeBig(outcome, invocation, host)
          : outcome;
      nowMs = host.nowMs();
      const timedOut = options.timeoutMs !== undefined && nowMs - startMs >= options.timeoutMs;
      if (timedOut || control.stop) {
        host.noTaskRuns();
        yield* writer.flush(nowMs, true);
        return stopped(timedOut ? "timed-out" : control.stop!, index, options.timeoutMs);
      }
      writer.add(stored);
      if (index + 1 === end) break;
      if (writer.isDue(nowMs)) {
        host.noTaskRuns();
        yield* writer.flush(nowMs, false);
        nowMs = host.nowMs();
      }
      if (nowMs - turnedMs > TURN_EVERY_MS) {
        host.noTaskRuns();
        yield loopTurn();
        host.pollOrders();
        nowMs = turnedMs = host.nowMs();
      }
    }
    host.noTaskRuns();
    yield* writer.flush(nowMs, true);
    return { kind: "ok" };
  } catch (error) {
    const what = `the outcome of task ${index} could not be stored: ${describe(error)}`;
    return { kind: "lost", startedTask: index, evidence: what };
  }
}

function* runTask(
  fn: RestoredFunction,
  inputs: Run,
  index: number,
  host: BatchHost,
  surroundings: TaskSurroundings,
  writer: OutcomeWriter,
): Steps<EncodedOutcome> {
  let codec = host.codec;
  let result: unknown;
  try {
    const instance: FunctionInstance = fn.instance();
    const ready = whenReady();
    if (ready) yield ready;
    codec = host.codecFor(instance.scope);
    const entry = inputs.entry(index);
    let item = entry.kind === ENTRY_VALUE ? codec.decode(entry.body) : host.inputs.read(entry, codec);
    if (item instanceof Promise) item = yield item;
    result = instance.call(item, new TaskContext(surroundings, index, codec));
    if (isThenable(result)) result = yield* settled(result, writer, host);
  } catch (error) {
    runPendingTicks();
    return thrownOutcome(codec, error);
  }
  runPendingTicks();
  return encodeResult(codec, result);
}

/** What a task's promise comes to. Where that takes long, its finished batch mates don't wait for it. */
function* settled(promise: PromiseLike<unknown>, writer: OutcomeWriter, host: BatchHost): Steps<unknown> {
  if (writer.pending === 0) return yield promise;
  const atOnce = yield new Peek(promise);
  if (atOnce !== PENDING) return atOnce;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, FLUSH_AFTER_MS, PENDING);
  });
  try {
    const soon = yield Promise.race([promise, late]);
    if (soon !== PENDING) return soon;
  } finally {
    clearTimeout(timer);
  }
  yield* writer.flush(host.nowMs(), false);
  return yield promise;
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === "object" && value !== null) || typeof value === "function") &&
  typeof (value as { then?: unknown }).then === "function";

function* storeBig(outcome: EncodedOutcome, invocation: Invocation, host: BatchHost): Steps<EncodedOutcome> {
  bigObjects += 1;
  const key = invocation.journalPrefix + objectName(`w${host.logs.workerId}-${bigObjects}`);
  yield host.store.put(key, outcome.chunks);
  return { kind: ENTRY_OBJECT, chunks: [Buffer.from(key)] };
}

function cannotLoad(invocation: Invocation, host: BatchHost, error: unknown): AttemptEnd {
  host.noTaskRuns();
  if (mayPass(error)) {
    const evidence = `the function could not be fetched: ${describe(error)}`;
    return { kind: "lost", startedTask: invocation.first, evidence };
  }
  return { kind: "unloadable", error: Buffer.concat(encodeThrown(host.codec, error)) };
}

function stopped(
  order: "cancelled" | "timed-out",
  startedTask: number | undefined,
  timeoutMs?: number,
): AttemptEnd {
  const evidence = order === "timed-out" ? `no outcome within ${timeoutMs} ms` : "cancelled by the driver";
  return { kind: order, startedTask, evidence };
}

const writerOptions = ({ journalPrefix, logId, job, attempt, options }: Invocation) => ({
  journalPrefix,
  logId,
  job,
  attempt,
  sync: options.sync ?? false,
  flushEachTask: options.flushEachTask ?? false,
  inlineBytes: options.inlineOutcomeBytes ?? 0,
});

function surroundingsOf(invocation: Invocation, host: BatchHost, control: BatchControl): TaskSurroundings {
  return {
    jobId: jobId(invocation.job),
    attempt: invocation.attempt,
    tryOf: (index) => invocation.tries?.[index] ?? 1,
    depth: invocation.options.depth ?? 0,
    signal: () => control.signal(),
    request: (payload) => host.request(payload),
    services: host.services,
  };
}

function setEnv(env: Readonly<Record<string, string>> | undefined): (() => void) | undefined {
  if (!env) return undefined;
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
