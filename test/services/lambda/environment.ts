import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { type Cage, type CageKind, openCage } from "./cage.ts";
import {
  errorPayload,
  exited,
  type Invocation,
  type InvocationEnd,
  type PlatformError,
  timedOut,
  tooLarge,
} from "./invocation.ts";
import type { Limits } from "./limits.ts";
import { readFrames, readLines } from "./output.ts";
import type { RuntimeApi, RuntimeSide } from "./runtime-api.ts";
import type { Sandboxes } from "./sandbox.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A function as it was when an environment of it was started. */
export interface FunctionVersion {
  readonly functionName: string;
  readonly functionArn: string;
  readonly region: string;
  readonly runtime: string;
  readonly handler: string;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  readonly tmpMb: number;
  readonly variables: Readonly<Record<string, string>>;
  /** Of its role. */
  readonly credentials: Credentials;
  readonly codeFolder: string;
}

/** What all environments stand on. */
export interface Platform {
  readonly sandboxes: Sandboxes;
  readonly runtimeApi: RuntimeApi;
  readonly runtimePort: number;
  readonly cages: CageKind;
}

export interface EnvironmentEvents {
  log(streamName: string, message: string): void;
  /** It has ended, and will run nothing more. */
  ended(environment: Environment): void;
}

interface Current {
  readonly invocation: Invocation;
  readonly settle: (end: InvocationEnd) => void;
  /** Resolves when the runtime has it. */
  readonly begun: PromiseWithResolvers<void>;
  isGiven: boolean;
  /** When its time began to count. */
  startedAtMs: number;
  timer?: NodeJS.Timeout;
  /** What the runtime has posted. */
  answer?: { payload: Buffer; functionError?: "Unhandled" };
  /** Why the platform ends it. */
  error?: PlatformError;
  logged: string[];
}

const TAIL_BYTES = 4096;

/**
 * One execution environment: a process tree of its own, used again for one invocation after the other, frozen between
 * them. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 */
export class Environment implements RuntimeSide {
  readonly id = randomBytes(16).toString("hex");
  readonly version: FunctionVersion;
  readonly streamName: string;
  readonly #limits: Limits;
  readonly #platform: Platform;
  readonly #events: EnvironmentEvents;
  readonly #address: string;
  #cage!: Cage;
  #process!: ChildProcess;
  #give: Parameters<RuntimeSide["onNext"]>[0] | undefined;
  #current: Current | undefined;
  #startedAtMs = 0;
  #initTimer: NodeJS.Timeout | undefined;
  #initMs: number | undefined;
  #initWasReported = false;
  #initError: Buffer | undefined;
  #isStopping = false;
  #hasEnded = false;
  /** Set by a test: what to do once the runtime has answered. */
  killAfterAnswer = false;
  invocations = 0;
  /** Resolves when no process of it is left. */
  readonly gone = Promise.withResolvers<void>();

  constructor(version: FunctionVersion, limits: Limits, platform: Platform, events: EnvironmentEvents) {
    this.version = version;
    this.#limits = limits;
    this.#platform = platform;
    this.#events = events;
    this.streamName = `${new Date().toISOString().slice(0, 10).replaceAll("-", "/")}/[$LATEST]${this.id}`;
    this.#address = platform.runtimeApi.add(this);
    this.#log(
      `INIT_START Runtime Version: ${version.runtime.replace("nodejs", "nodejs:").replace(".x", "")}.kinglet`,
    );
    this.#start();
    this.#initTimer = setTimeout(() => this.#initTookTooLong(), limits.initMs);
  }

  get isBusy(): boolean {
    return this.#current !== undefined;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Resolves when the runtime has the invocation that it runs now. */
  get begun(): Promise<void> {
    return this.#current?.begun.promise ?? Promise.resolve();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Runs one. Never rejects: whatever happens is an end. */
  invoke(invocation: Invocation): Promise<InvocationEnd> {
    if (this.#current) throw new Error(`environment ${this.id} is busy`);
    this.invocations += 1;
    return new Promise((settle) => {
      this.#current = {
        invocation,
        settle,
        begun: Promise.withResolvers(),
        isGiven: false,
        startedAtMs: 0,
        logged: [],
      };
      if (this.#hasEnded) this.#conclude(exited(invocation, "with error: exit status 1"));
      else this.#dispatch();
    });
  }

  /** Ends its processes at once, as when a host fails. */
  kill(): void {
    this.#isStopping = true;
    this.#process.kill("SIGKILL");
    this.#cage.thaw();
  }

  /** Stops its processes for a while, in the middle of whatever they do. */
  async freezeFor(ms: number): Promise<void> {
    await this.#cage.freeze();
    setTimeout(() => this.#hasEnded || this.#cage.thaw(), ms);
  }

  onNext(give: Parameters<RuntimeSide["onNext"]>[0]): void {
    this.#give = give;
    if (this.#initMs === undefined) {
      clearTimeout(this.#initTimer);
      this.#initMs = performance.now() - this.#startedAtMs;
    }
    const current = this.#current;
    if (current?.answer) void this.#rest(current);
    else if (current && !current.isGiven) this.#dispatch();
    else void this.#cage.freeze();
  }

  onResponse(requestId: string, payload: Buffer): number {
    const current = this.#current;
    if (current?.invocation.requestId !== requestId) return 400;
    if (payload.length > this.#limits.responseBytes) {
      current.answer = {
        payload: errorPayload(tooLarge(this.#limits.responseBytes)),
        functionError: "Unhandled",
      };
      return 413;
    }
    current.answer = { payload };
    return 202;
  }

  onChunk(requestId: string, bytes: Buffer): void {
    const current = this.#current;
    if (current?.invocation.requestId === requestId) current.invocation.onChunk?.(bytes);
  }

  onError(requestId: string, payload: Buffer): void {
    const current = this.#current;
    if (current?.invocation.requestId === requestId) current.answer = { payload, functionError: "Unhandled" };
  }

  onInitError(payload: Buffer): void {
    this.#initError = payload;
  }

  #start(): void {
    const { version } = this;
    this.#startedAtMs = performance.now();
    this.#cage = openCage(
      this.#platform.cages,
      `${this.id.slice(0, 12)}-${this.invocations}`,
      version.memoryMb,
    );
    this.#process = this.#platform.sandboxes.start({
      codeFolder: version.codeFolder,
      tmpMb: version.tmpMb,
      cgroups: this.#cage.procs,
      variables: this.#variables(),
      command: ["/var/lang/bin/node", ...nodeFlags(version.memoryMb), "/var/runtime/index.mjs"],
    });
    this.#cage.watch(this.pid);
    const [, stdout, stderr, console] = this.#process.stdio as unknown as Readable[];
    readLines(stdout!, (line) => this.#log(line));
    readLines(stderr!, (line) => this.#log(line));
    readFrames(console!, (text) => this.#log(text.replace(/\n$/, "")));
    const started = this.#process;
    started.once("close", (code, signal) => started === this.#process && this.#onExit(code, signal));
  }

  #dispatch(): void {
    const [give, current] = [this.#give, this.#current];
    if (!give || !current) return;
    this.#give = undefined;
    this.#cage.thaw();
    this.#begin(current);
    current.isGiven = true;
    const deadlineMs = Date.now() + this.version.timeoutSeconds * 1000;
    give(current.invocation, deadlineMs, this.version.functionArn);
    current.begun.resolve();
  }

  /** From here on the function's timeout runs. */
  #begin(current: Current): void {
    if (current.timer) return;
    current.startedAtMs = performance.now();
    current.timer = setTimeout(() => this.#runOutOfTime(current), this.version.timeoutSeconds * 1000);
    this.#log(`START RequestId: ${current.invocation.requestId} Version: $LATEST`);
  }

  #runOutOfTime(current: Current): void {
    if (current !== this.#current) return;
    const { timeoutSeconds } = this.version;
    current.error = timedOut(current.invocation, timeoutSeconds);
    const { requestId } = current.invocation;
    this.#log(
      `${new Date().toISOString()} ${requestId} Task timed out after ${timeoutSeconds.toFixed(2)} seconds`,
    );
    this.kill();
  }

  /** lifecycle, "Init phase": it is started again when it is invoked, within the function's timeout. */
  #initTookTooLong(): void {
    this.#reportInit("timeout");
    const current = this.#current;
    const slow = this.#process;
    const cage = this.#cage;
    slow.kill("SIGKILL");
    void cage.remove();
    this.invocations += 1;
    this.#start();
    if (current) this.#begin(current);
  }

  #reportInit(status: "timeout" | "error", errorType?: string): void {
    this.#initWasReported = true;
    const ms = (performance.now() - this.#startedAtMs).toFixed(2);
    const type = errorType ? `\tError Type: ${errorType}` : "";
    this.#log(`INIT_REPORT Init Duration: ${ms} ms\tPhase: init\tStatus: ${status}${type}`);
  }

  /** The function has answered and asks for more: it is frozen until there is. */
  async #rest(current: Current): Promise<void> {
    clearTimeout(current.timer);
    await this.#cage.freeze();
    // Everything that it wrote is in its pipes: two turns of the event loop read them out.
    await turn();
    await turn();
    if (current !== this.#current) return;
    this.#conclude();
    if (this.killAfterAnswer) this.kill();
  }

  async #onExit(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    clearTimeout(this.#initTimer);
    this.#hasEnded = true;
    const how = endOf(code, signal, this.#isStopping || this.#cage.ranOutOfMemory());
    const current = this.#current;
    if (this.#initMs === undefined && !this.#isStopping) {
      this.#reportInit("error", current ? this.#errorOfInit(current, how).errorType : "Runtime.ExitError");
    }
    if (current) {
      clearTimeout(current.timer);
      if (current.answer) this.#conclude();
      else this.#fail(current, how);
    }
    this.#platform.runtimeApi.remove(this.#address);
    await this.#cage.remove();
    this.#events.ended(this);
    this.gone.resolve();
  }

  #errorOfInit(current: Current, how: string): PlatformError {
    const told = this.#initError && (JSON.parse(this.#initError.toString()) as PlatformError);
    return told ?? exited(current.invocation, how);
  }

  #fail(current: Current, how: string): void {
    this.#begin(current);
    clearTimeout(current.timer);
    if (this.#initMs === undefined && !current.error) current.error = this.#errorOfInit(current, how);
    const error = current.error ?? exited(current.invocation, how);
    if (error.errorType === "Runtime.ExitError") this.#log(error.errorMessage);
    this.#conclude(error);
  }

  /** Tells the log and the caller how it went. */
  #conclude(error?: PlatformError): void {
    const current = this.#current!;
    this.#current = undefined;
    const { requestId } = current.invocation;
    this.#log(`END RequestId: ${requestId}`, current);
    this.#log(this.#report(current, error), current);
    const end = error
      ? { payload: errorPayload(error), functionError: "Unhandled" as const }
      : current.answer!;
    current.settle({
      ...end,
      logTail: Buffer.from(current.logged.join("\n")).subarray(-TAIL_BYTES).toString(),
    });
  }

  #report(current: Current, error?: PlatformError): string {
    const { memoryMb } = this.version;
    const ms = current.startedAtMs ? performance.now() - current.startedAtMs : 0;
    const usedMb = Math.min(memoryMb, Math.ceil(this.#cage.peakBytes() / 1024 / 1024));
    const isFirst = !this.#initWasReported && this.#initMs !== undefined;
    this.#initWasReported = true;
    const initMs = isFirst ? this.#initMs! : 0;
    const parts = [
      `REPORT RequestId: ${current.invocation.requestId}`,
      `Duration: ${ms.toFixed(2)} ms`,
      `Billed Duration: ${Math.ceil(ms + initMs)} ms`,
      `Memory Size: ${memoryMb} MB`,
      `Max Memory Used: ${usedMb} MB`,
      ...(isFirst ? [`Init Duration: ${initMs.toFixed(2)} ms`] : []),
    ];
    if (error?.errorType === "Sandbox.Timedout") parts.push("Status: timeout");
    else if (error) parts.push("Status: error", `Error Type: ${error.errorType}`);
    return `${parts.join("\t")}\t`;
  }

  #log(message: string, current: Current | undefined = this.#current): void {
    current?.logged.push(message);
    this.#events.log(this.streamName, `${message}\n`);
  }

  /** https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime */
  #variables(): Record<string, string> {
    const { version } = this;
    return {
      ...version.variables,
      LANG: "en_US.UTF-8",
      TZ: ":UTC",
      PATH: "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
      LD_LIBRARY_PATH:
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
      NODE_PATH: "/opt/nodejs/node24/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules",
      AWS_REGION: version.region,
      AWS_DEFAULT_REGION: version.region,
      AWS_ACCESS_KEY_ID: version.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: version.credentials.secretAccessKey,
      AWS_EXECUTION_ENV: `AWS_Lambda_${version.runtime}`,
      AWS_LAMBDA_FUNCTION_NAME: version.functionName,
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(version.memoryMb),
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${version.functionName}`,
      AWS_LAMBDA_LOG_STREAM_NAME: this.streamName,
      AWS_LAMBDA_RUNTIME_API: `${this.#address}:${this.#platform.runtimePort}`,
      AWS_XRAY_CONTEXT_MISSING: "LOG_ERROR",
      LAMBDA_RUNTIME_DIR: "/var/runtime",
      LAMBDA_TASK_ROOT: "/var/task",
      _HANDLER: version.handler,
      _LAMBDA_TELEMETRY_LOG_FD: "3",
    };
  }
}

/** On AWS the machine has the function's memory alone, and V8 sizes its heap by that; here it would see ours. */
const nodeFlags = (memoryMb: number): string[] => [
  "--max-http-header-size=81920",
  `--max-old-space-size=${Math.floor(memoryMb * 0.9)}`,
];

/** As AWS's init words it. A shell stands between and says a signal as 128 + its number. */
function endOf(code: number | null, signal: NodeJS.Signals | null, wasKilled: boolean): string {
  if (wasKilled) return "with error: signal: killed";
  const number = signal ? constants.signals[signal] : (code ?? 0) > 128 ? code! - 128 : 0;
  const name = SIGNAL_NAMES[number];
  if (name) return `with error: signal: ${name}`;
  return code === 0 ? "without providing a reason" : `with error: exit status ${code}`;
}

const SIGNAL_NAMES: Record<number, string> = {
  2: "interrupt",
  6: "aborted",
  9: "killed",
  11: "segmentation fault",
  15: "terminated",
};
