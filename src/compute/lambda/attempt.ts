import { KingletError } from "../../errors.ts";
import type { AttemptEnd, AttemptUsage, Invocation } from "../contract.ts";
import { OrderWriter } from "../relay/control.ts";
import { RelayedAttempt } from "../relay/relayed-attempt.ts";
import type { InvokeEnd, RunningInvoke } from "./client.ts";
import type { WorkerFunction } from "./deploy/contract.ts";
import { deletedMeanwhile, endOfDeath, noSuchRegion, refusalOf, wrongVersion } from "./failures.ts";
import { encodePayload, isOfThisMake } from "./payload.ts";
import { lostOrAnothers, recover } from "./recover.ts";
import {
  type AttemptHost,
  DEFAULT_GRACE_MS,
  OBEYS_WITHIN_MS,
  type RootAttempt,
  type RunningAttempt,
} from "./running.ts";

type Failure = Exclude<AttemptEnd, { kind: "ok" | "unloadable" }>;

const NOTHING_STARTED = { startedTask: undefined } as const;

/** One attempt on Lambda, from its invoke to its one end, whatever happens on the way. */
export class LambdaAttempt implements RunningAttempt, RootAttempt {
  readonly invocation: Invocation & { readonly logId: string };
  readonly orders: OrderWriter;
  readonly root = this;
  /** What happened to its connection. */
  brokenBy: string | undefined;
  readonly #host: AttemptHost;
  readonly #relayed: RelayedAttempt;
  #running: RunningInvoke | undefined;
  #sinceMs = 0;
  #limitMs = 0;
  #functionName = "";
  #cancelled = false;
  #stopTimer: (() => void) | undefined;
  #over = false;

  constructor(invocation: Invocation & { readonly logId: string }, host: AttemptHost) {
    this.invocation = invocation;
    this.#host = host;
    const { store, events, clock } = host;
    this.#relayed = new RelayedAttempt({
      invocation,
      store,
      events,
      nowMs: () => clock.nowMs(),
      onGuest: (attempt, frame) => host.onGuest(attempt, frame),
    });
    const { journalPrefix, logId } = invocation;
    this.orders = new OrderWriter({ store, journalPrefix, logId });
  }

  /** Its environment is gone by then, milliseconds since the epoch. */
  get untilMs(): number {
    return this.#sinceMs + this.#limitMs;
  }

  start(): void {
    this.#run().then(
      (end) => this.#end(end),
      (error) => this.#end(this.#hopeless(error)),
    );
  }

  cancel(how: "revoke" | "abort", graceMs = DEFAULT_GRACE_MS): void {
    if (!this.#running) {
      const kind = how === "revoke" ? "revoked" : "cancelled";
      this.#end({ kind, ...NOTHING_STARTED, evidence: `${kind} before it started` });
    } else if (how === "abort") {
      this.#cancelled = true;
      this.orders.give({ abort: { graceMs } }).catch(() => {});
      this.#stopTimer?.();
      this.#stopTimer = this.#host.clock.after(graceMs + OBEYS_WITHIN_MS, () => this.#letGo());
    }
  }

  reply(requestId: number, payload: Uint8Array): void {
    this.orders.reply(requestId, payload).catch((error) => {
      const evidence = `the answer to its request could not be stored: ${error}`;
      this.#breakOff({ kind: "lost", ...this.#relayed.cutOff(), evidence });
    });
  }

  /** Ends it at once; the environment stops when it sees the order, which has been given once this resolves. */
  async close(): Promise<void> {
    const stopped = this.#running ? this.orders.give({ abort: { graceMs: 0 } }) : undefined;
    this.#breakOff({ kind: "cancelled", ...this.#relayed.cutOff(), evidence: "the pool was closed" });
    await stopped?.catch(() => {});
  }

  #letGo(): void {
    const evidence = "cancelled by the driver; its worker didn't answer";
    this.#breakOff({ kind: "cancelled", ...this.#relayed.cutOff(), evidence });
  }

  #breakOff(end: AttemptEnd): void {
    if (this.#over) return;
    this.#end(end);
    this.#running?.abort(new Error("the attempt is over"));
  }

  async #run(): Promise<AttemptEnd> {
    let found = await this.#host.functionFor(this.invocation);
    const payload = await this.#payload();
    if (this.#over) return { kind: "ok" };
    let end = await this.#invoke(found, payload);
    if (isGone(end) && !this.#over) {
      // Deleted meanwhile, or not yet known everywhere.
      found = await this.#host.functionFor(this.invocation, true);
      if (!this.#over) end = await this.#invoke(found, payload);
      if (isGone(end)) throw deletedMeanwhile(found.name, this.#host.aws.region);
    }
    return this.#over ? { kind: "ok" } : this.#verdict(end);
  }

  #payload(): Promise<Buffer> {
    const { location, secrets } = this.#host;
    return encodePayload({
      store: location,
      invocation: this.invocation,
      secrets: secrets(),
      putInputs: (inputs) => this.orders.putInputs(inputs),
    });
  }

  #invoke({ name, timeoutS }: WorkerFunction, payload: Uint8Array): Promise<InvokeEnd> {
    this.#functionName = name;
    this.#limitMs = timeoutS * 1000;
    this.#sinceMs = this.#host.clock.nowMs();
    this.#running = this.#host.client.invoke(name, payload, (bytes) => {
      if (!this.#over) this.#relayed.push(bytes);
    });
    return this.#running.ended;
  }

  async #verdict(end: InvokeEnd): Promise<AttemptEnd> {
    const relayed = this.#relayed;
    if (end.kind === "refused") return this.#orThrow(refusalOf(end, this.#functionName));
    if (end.kind === "broken" && !end.wasSent) return this.#notSent(end.error);
    try {
      await relayed.settled();
    } catch (error) {
      return this.#recover(`its outcomes could not be read: ${error}`);
    }
    const { started, ended } = relayed;
    if (started && !isOfThisMake(started)) throw wrongVersion(this.#functionName, started.kinglet);
    if (ended) return ended.end.kind === "lost" ? this.#lost(ended.end) : ended.end;
    if (end.kind === "broken")
      return this.#recover(`the connection to its worker broke: ${end.error.message}`);
    return this.#dead(end);
  }

  async #lost(end: Failure): Promise<AttemptEnd> {
    const found = await lostOrAnothers(this.#relayed, this.invocation.first, end);
    return found ?? this.#recover("another worker was given the attempt too");
  }

  /** Lambda says that the function is over, which didn't say so itself. */
  async #dead(end: Extract<InvokeEnd, { kind: "complete" }>): Promise<AttemptEnd> {
    const relayed = this.#relayed;
    if (await relayed.readLog()) return { kind: "ok" };
    const started = relayed.started !== undefined;
    const { error = { code: "Unhandled", details: "the response ended too soon" }, logTail } = end;
    const startFailure = started
      ? undefined
      : await this.#host.startFailure(this.#functionName, this.#sinceMs).catch(() => undefined);
    const functionName = this.#functionName;
    const cutOff = relayed.cutOff();
    return this.#orThrow(endOfDeath({ error, functionName, logTail, started, cutOff, startFailure }));
  }

  #notSent(error: Error): AttemptEnd {
    const { aws, client } = this.#host;
    const isUnknownHost = (error as NodeJS.ErrnoException).code === "ENOTFOUND";
    if (isUnknownHost && !client.hasAnswered) throw noSuchRegion(aws.region, aws.endpoint, error);
    const evidence = `Lambda could not be reached: ${error.message}`;
    return { kind: "lost", ...NOTHING_STARTED, evidence };
  }

  #recover(why: string): Promise<AttemptEnd> {
    const { clock } = this.#host;
    this.brokenBy = why;
    this.#host.connectionLost(this, why);
    return recover({
      relayed: this.#relayed,
      orders: this.orders,
      clock,
      why,
      untilMs: this.untilMs,
      isOver: () => this.#over,
    });
  }

  #orThrow(end: Failure | KingletError): Failure {
    if (end instanceof KingletError) throw end;
    return end;
  }

  /** No further try would mend it: the job fails with the error. */
  #hopeless(error: unknown): AttemptEnd {
    const code = (error as KingletError).code;
    if (code === "STORE_UNAVAILABLE") {
      return { kind: "lost", ...NOTHING_STARTED, evidence: `its inputs could not be stored: ${error}` };
    }
    return { kind: "unloadable", error: this.#host.encodeError(error) };
  }

  #end(end: AttemptEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopTimer?.();
    const told = this.#cancelled && end.kind === "lost" ? { ...end, kind: "cancelled" as const } : end;
    this.#host.over(this);
    this.#host.events.ended(this.invocation.attempt, told, this.#usage());
    void this.orders.cleanUp();
  }

  #usage(): AttemptUsage | undefined {
    const { ended, started } = this.#relayed;
    if (ended) return ended.usage;
    if (!started) return undefined;
    // Nobody said how long it ran: the time that its driver has waited for it.
    const { worker, memoryMb, startMs } = started;
    const billedMs = this.#host.clock.nowMs() - this.#sinceMs;
    return { worker, memoryMb, billedMs, ...(startMs === undefined ? {} : { startMs }) };
  }
}

const isGone = (end: InvokeEnd): boolean =>
  end.kind === "refused" && end.status === 404 && end.code === "ResourceNotFoundException";
