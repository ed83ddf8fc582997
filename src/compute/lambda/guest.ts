import type { AttemptEnd, Invocation } from "../contract.ts";
import { OrderWriter } from "../relay/control.ts";
import { encodeGuest } from "../relay/guest.ts";
import { RelayedAttempt } from "../relay/relayed-attempt.ts";
import { lostOrAnothers, recover } from "./recover.ts";
import {
  type AttemptHost,
  DEFAULT_GRACE_MS,
  OBEYS_WITHIN_MS,
  type RootAttempt,
  type RunningAttempt,
} from "./running.ts";

/**
 * An attempt in the environment of another one that waits for it (Invocation.host). Its supervisor fetches it from the
 * store; what it says comes in the response to the invoke of the first of its hosts.
 */
export class GuestAttempt implements RunningAttempt {
  readonly invocation: Invocation & { readonly logId: string };
  readonly orders: OrderWriter;
  readonly root: RootAttempt;
  readonly #backend: AttemptHost;
  readonly #host: RunningAttempt;
  readonly #relayed: RelayedAttempt;
  #number: Promise<number> | undefined;
  #cancelled = false;
  #recovers = false;
  #stopTimer: (() => void) | undefined;
  #over = false;

  constructor(
    invocation: Invocation & { readonly logId: string },
    host: RunningAttempt,
    backend: AttemptHost,
  ) {
    const { store, events, clock } = backend;
    const { journalPrefix, logId } = invocation;
    this.invocation = invocation;
    this.root = host.root;
    this.#host = host;
    this.#backend = backend;
    this.orders = new OrderWriter({ store, journalPrefix, logId });
    this.#relayed = new RelayedAttempt({ invocation, store, events, nowMs: () => clock.nowMs() });
  }

  start(): void {
    const { host: _host, ...invocation } = this.invocation;
    this.#number = this.#host.orders.invite(encodeGuest(invocation));
    this.#number.then(
      () => {
        if (this.root.brokenBy !== undefined) this.connectionLost(this.root.brokenBy);
      },
      (error) => {
        const evidence = `it could not be stored for its worker: ${error}`;
        this.#end({ kind: "lost", startedTask: undefined, evidence });
      },
    );
  }

  /** A frame of its own, out of its root's response. */
  push(frame: Uint8Array): void {
    if (this.#over) return;
    this.#relayed.push(frame);
    this.#relayed.settled().then(
      () => this.#look(),
      (error) => this.connectionLost(`its outcomes could not be read: ${error}`),
    );
  }

  cancel(how: "revoke" | "abort", graceMs = DEFAULT_GRACE_MS): void {
    if (this.#relayed.started) {
      if (how === "revoke") return;
      this.#cancelled = true;
      this.orders.give({ abort: { graceMs } }).catch(() => {});
      this.#stopTimer?.();
      this.#stopTimer = this.#backend.clock.after(graceMs + OBEYS_WITHIN_MS, () => {
        const evidence = "cancelled by the driver; its worker didn't answer";
        this.#end({ kind: "cancelled", ...this.#relayed.cutOff(), evidence });
      });
      return;
    }
    const kind = how === "revoke" ? "revoked" : "cancelled";
    void this.#withdraw();
    this.#end({ kind, startedTask: undefined, evidence: `${kind} before it started` });
  }

  reply(requestId: number, payload: Uint8Array): void {
    this.orders.reply(requestId, payload).catch((error) => {
      const evidence = `the answer to its request could not be stored: ${error}`;
      this.#end({ kind: "lost", ...this.#relayed.cutOff(), evidence });
    });
  }

  async close(): Promise<void> {
    this.#end({ kind: "cancelled", ...this.#relayed.cutOff(), evidence: "the pool was closed" });
  }

  /** Nothing more comes of its root's response, but the environment may live. */
  connectionLost(why: string): void {
    if (this.#over || this.#recovers) return;
    this.#recovers = true;
    const recovery = {
      relayed: this.#relayed,
      orders: this.orders,
      clock: this.#backend.clock,
      why,
      untilMs: this.root.untilMs,
      isOver: () => this.#over,
    };
    recover(recovery).then((end) => this.#end(end));
  }

  /** Its environment is at its end, or does something else: what it came to is in its log, or nowhere. */
  async rootEnded(): Promise<void> {
    const evidence = "the attempt in whose environment it ran is over";
    const isThere = await this.#relayed.readLog().catch(() => false);
    this.#end(isThere ? { kind: "ok" } : { kind: "lost", ...this.#relayed.cutOff(), evidence });
  }

  #look(): void {
    const { ended } = this.#relayed;
    if (!ended || this.#over) return;
    if (ended.end.kind !== "lost") {
      this.#end(ended.end);
      return;
    }
    lostOrAnothers(this.#relayed, this.invocation.first, ended.end).then(
      (end) => (end ? this.#end(end) : this.connectionLost("another worker was given the attempt too")),
      (error) => this.connectionLost(`its outcomes could not be read: ${error}`),
    );
  }

  /** Its supervisor may be fetching it just now: then it hears of the order. */
  async #withdraw(): Promise<void> {
    try {
      const number = await this.#number;
      if (number !== undefined) await this.#host.orders.withdraw(number);
      await this.orders.give({ abort: { graceMs: 0 } });
    } catch {
      // what it does is not asked for any more
    }
  }

  /** The time of the environment is paid for by its root. */
  #end(end: AttemptEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopTimer?.();
    const told = this.#cancelled && end.kind === "lost" ? { ...end, kind: "cancelled" as const } : end;
    this.#backend.over(this);
    this.#backend.events.ended(this.invocation.attempt, told);
    // Orders for one that may have been fetched stay until the journal goes.
    if (this.#relayed.started) void this.orders.cleanUp();
  }
}
