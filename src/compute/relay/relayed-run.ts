import type { Clock } from "../../clock.ts";
import type { ObjectStore } from "../../storage/contract.ts";
import type { StoreLocation } from "../../storage/locate.ts";
import { version } from "../../version.ts";
import { monotonicMs } from "../../worker/monotonic.ts";
import type { AttemptEnd, ConsoleLine, OutcomeReport } from "../contract.ts";
import type { LocalComputeBackend } from "../local/backend.ts";
import { encodeFrame } from "../local/protocol.ts";
import { OrderReader, type Orders } from "./control.ts";
import { decodeGuest, type RelayedInvocation } from "./guest.ts";
import {
  ALIVE_EVERY_MS,
  FRAME_ALIVE,
  FRAME_CONSOLE,
  FRAME_ENDED,
  FRAME_OUTCOMES,
  FRAME_REQUEST,
  FRAME_STARTED,
  RELAY_PROTOCOL,
  REPEATED_RUN_BYTES,
} from "./protocol.ts";
import type { RelayedWork, SendFrame } from "./supervisor.ts";

/** How often the driver's orders are looked for. */
const ORDERS_EVERY_MS = 2000;
/** While a task waits for the driver's answer: from here on, doubled each time. */
const ANSWER_FIRST_MS = 50;
const ANSWER_LAST_MS = 1000;
/** How often the store is told that this machine lives, once the driver has asked for it. */
const SAY_ALIVE_MS = 4000;
/** A task is stopped so long before the machine is taken away, at most: what it printed is still to be told. */
const MARGIN_MS = 3000;
const MARGIN_PART = 0.1;
const GRACE_MS = 250;

const NOTHING = new Uint8Array(0);

interface RunParts {
  readonly work: RelayedWork;
  readonly send: SendFrame;
  readonly backend: LocalComputeBackend;
  readonly worker: string;
  readonly memoryMb: number;
  readonly clock: Clock;
  readonly openStore: (location: StoreLocation) => Promise<ObjectStore>;
  /** Takes what is to run beside it while it waits. */
  readonly takeGuest: (host: number, guest: RelayedInvocation) => void;
  /** It is a guest itself. */
  readonly isGuest?: boolean;
}

/** One attempt of a supervisor: events of its slot become frames, the driver's orders reach the slot. */
export class RelayedRun {
  readonly ended: Promise<void>;
  readonly #parts: RunParts;
  readonly #attempt: number;
  readonly #finish: () => void;
  readonly #timers = new Map<string, () => void>();
  /** Requests without an answer. */
  readonly #waiting = new Set<number>();
  #answerMs = ANSWER_FIRST_MS;
  #reader: Promise<OrderReader> | undefined;
  /** Number of the guest that comes next. */
  #nextGuest = 1;
  /** Its host is over: why it is stopped. */
  #hostIsOver = false;
  #abortGraceMs = Number.POSITIVE_INFINITY;
  #reports = false;
  /** Why it is stopped before the machine's time is over. */
  #outOfTime: { readonly task: number | undefined; readonly evidence: string } | undefined;
  #sinceMs = 0;
  #over = false;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#attempt = parts.work.invocation.attempt;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#finish = resolve;
  }

  begin(): void {
    const { worker, memoryMb, clock, work } = this.#parts;
    this.#sinceMs = clock.nowMs();
    const started = { protocol: RELAY_PROTOCOL, kinglet: version, worker, memoryMb };
    this.#send(FRAME_STARTED, work.startMs === undefined ? started : { ...started, startMs: work.startMs });
    this.#every("alive", ALIVE_EVERY_MS, () => this.#sayAlive());
    this.#after("orders", ORDERS_EVERY_MS, () => this.#lookForOrders());
    if (work.deadline) {
      const { atMs, limitMs } = work.deadline;
      const marginMs = Math.min(MARGIN_MS, limitMs * MARGIN_PART);
      this.#after("deadline", Math.max(0, atMs - marginMs - clock.nowMs()), () => this.#timeIsUp(limitMs));
    }
  }

  // — what happens in the slot

  progressed({ location, first, count, run, busyMs }: OutcomeReport): void {
    const isBig = location !== undefined && run.length > REPEATED_RUN_BYTES;
    this.#send(FRAME_OUTCOMES, { location, first, count, busyMs }, isBig ? NOTHING : run);
  }

  console({ index, stream, text, atMs }: ConsoleLine): void {
    this.#send(FRAME_CONSOLE, { index, stream, atMs }, Buffer.from(text));
  }

  request(requestId: number, payload: Uint8Array): void {
    this.#send(FRAME_REQUEST, { requestId }, payload);
    this.#waiting.add(requestId);
    this.#lookSoon();
  }

  /** A guest of its has ended: an answer, or another guest, is on its way. */
  guestEnded(): void {
    if (this.#waiting.size > 0) this.#lookSoon();
  }

  /** The task that it is a guest of doesn't wait any more: nor does anybody wait for it. */
  hostEnded(): void {
    if (this.#over) return;
    this.#hostIsOver = true;
    this.#parts.backend.cancel(this.#attempt, "abort", 0);
  }

  over(end: AttemptEnd): void {
    if (this.#over) return;
    this.#over = true;
    for (const stop of this.#timers.values()) stop();
    const told = this.#told(end);
    const [head, body] = told.kind === "unloadable" ? [{ kind: told.kind }, told.error] : [told, NOTHING];
    const { clock, work } = this.#parts;
    // The time of a machine is its host's to pay.
    const billedMs = this.#parts.isGuest ? 0 : clock.nowMs() - this.#sinceMs + (work.startMs ?? 0);
    const frame = encodeFrame(FRAME_ENDED, { end: head, billedMs }, body);
    this.#parts.send(frame);
    if (this.#reports) void this.#sayEnd(Buffer.concat(frame)).then(this.#finish);
    else this.#finish();
  }

  /** A task that was stopped because the machine's time is over, rather than at the driver's word. */
  #told(end: AttemptEnd): AttemptEnd {
    if (end.kind !== "cancelled") return end;
    if (this.#hostIsOver) return { ...end, kind: "lost", evidence: "the task that it ran beside is over" };
    if (!this.#outOfTime) return end;
    const { task, evidence } = this.#outOfTime;
    return task === undefined
      ? { kind: "cancelled", startedTask: end.startedTask, evidence }
      : { kind: "timed-out", startedTask: end.startedTask ?? task, evidence };
  }

  // — time

  #timeIsUp(limitMs: number): void {
    const { backend, work } = this.#parts;
    const running = backend.running(this.#attempt);
    const evidence = `no outcome within the ${limitMs / 1000} s that a worker has for a batch${this.#whileItWaited()}`;
    // A task that began late isn't to blame: it runs again, with all of the time before it.
    const tookMs = running ? monotonicMs() - running.startedMs : 0;
    const isToBlame = running && (running.index === work.invocation.first || tookMs >= limitMs / 2);
    this.#outOfTime = { task: isToBlame ? running.index : undefined, evidence };
    backend.cancel(this.#attempt, "abort", GRACE_MS);
  }

  #whileItWaited(): string {
    if (this.#waiting.size === 0) return "";
    if (this.#nextGuest === 1) return "; it waited for a nested job";
    return "; it waited for a nested job whose tasks ran one by one beside it, since no more workers could be had";
  }

  #sayAlive(): void {
    const running = this.#parts.backend.running(this.#attempt);
    this.#send(FRAME_ALIVE, running ? { index: running.index } : {});
  }

  // — the driver's word

  async #lookForOrders(): Promise<void> {
    try {
      const orders = await (await this.#control()).orders();
      if (orders) this.#obey(orders);
    } catch {
      // the next look may find the store again
    }
    this.#after("orders", ORDERS_EVERY_MS, () => this.#lookForOrders());
  }

  #obey({ abort, report }: Orders): void {
    if (this.#over) return;
    if (abort && abort.graceMs < this.#abortGraceMs) {
      this.#abortGraceMs = abort.graceMs;
      this.#parts.backend.cancel(this.#attempt, "abort", abort.graceMs);
    }
    if (!report || this.#reports) return;
    this.#reports = true;
    const sayIt = async () => (await this.#control()).sayAlive();
    sayIt().catch(() => {});
    this.#every("say alive", SAY_ALIVE_MS, () => sayIt().catch(() => {}));
  }

  async #lookForAnswers(): Promise<void> {
    for (const requestId of [...this.#waiting]) {
      try {
        const answer = await (await this.#control()).reply(requestId);
        if (!answer || this.#over) continue;
        this.#waiting.delete(requestId);
        this.#parts.backend.reply(this.#attempt, requestId, answer);
      } catch {
        // the next look may find the store again
      }
    }
    if (this.#waiting.size === 0) return;
    await this.#lookForGuest();
    this.#answerMs = Math.min(ANSWER_LAST_MS, this.#answerMs * 2);
    this.#after("answers", this.#answerMs, () => this.#lookForAnswers());
  }

  #lookSoon(): void {
    this.#answerMs = ANSWER_FIRST_MS;
    this.#after("answers", this.#answerMs, () => this.#lookForAnswers());
  }

  async #lookForGuest(): Promise<void> {
    try {
      const guest = await (await this.#control()).guest(this.#nextGuest);
      if (!guest || this.#over) return;
      this.#nextGuest += 1;
      if (guest.length > 0) this.#parts.takeGuest(this.#attempt, decodeGuest(guest));
    } catch {
      // the next look may find the store again
    }
  }

  async #sayEnd(frame: Uint8Array): Promise<void> {
    try {
      await (await this.#control()).sayEnd(frame);
    } catch {
      // the driver finds the outcomes in the log, if anything
    }
  }

  /** Most attempts are over before anybody looks: the store is opened only then. */
  #control(): Promise<OrderReader> {
    const { openStore, work } = this.#parts;
    const { journalPrefix, logId } = work.invocation;
    this.#reader ??= openStore(work.store).then((store) => new OrderReader({ store, journalPrefix, logId }));
    this.#reader.catch(() => {
      this.#reader = undefined;
    });
    return this.#reader;
  }

  // —

  #send(type: number, head: object, body: Uint8Array = NOTHING): void {
    if (!this.#over) this.#parts.send(encodeFrame(type, head, body));
  }

  #after(name: string, delayMs: number, callback: () => void): void {
    if (this.#over) return;
    this.#timers.get(name)?.();
    this.#timers.set(name, this.#parts.clock.after(delayMs, callback));
  }

  #every(name: string, everyMs: number, callback: () => void): void {
    this.#after(name, everyMs, () => {
      callback();
      this.#every(name, everyMs, callback);
    });
  }
}
