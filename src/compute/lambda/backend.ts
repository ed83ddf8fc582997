import type { CredentialSource } from "../../aws/credentials.ts";
import type { Clock, Random } from "../../clock.ts";
import type { ObjectStore } from "../../storage/contract.ts";
import type { StoreLocation } from "../../storage/locate.ts";
import type { ComputeBackend, ComputeEvents, Invocation, WorkerTarget } from "../contract.ts";
import { machineMemoryMb } from "../relay/memory.ts";
import { LambdaAttempt } from "./attempt.ts";
import { createLambdaClient, type LambdaClient } from "./client.ts";
import type { ResolvedAwsOptions, WorkerFunction, WorkerFunctions } from "./deploy/contract.ts";
import { GuestAttempt } from "./guest.ts";
import { lambdaFacts } from "./options.ts";
import { copiesFor, Ramp } from "./ramp.ts";
import type { AttemptHost, RootAttempt, RunningAttempt } from "./running.ts";

export interface LambdaBackendOptions {
  readonly aws: ResolvedAwsOptions;
  /** The store that the workers open, and the same as the driver has it. */
  readonly location: StoreLocation;
  readonly store: ObjectStore;
  readonly functions: WorkerFunctions;
  readonly credentials: CredentialSource;
  /** The most environments at a time; copies of the function are made for so many. */
  readonly slots: number;
  /** More than that while tasks wait for nested jobs. */
  readonly maxSlots: number;
  /** An error as the codec's bytes: what no further try would mend. */
  readonly encodeError: (error: unknown) => Uint8Array;
  /** Values of the secrets that the program knows. */
  readonly secrets: () => Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly client?: LambdaClient;
}

/** Sizes of functions are multiples of it, so that there are few. */
const MEMORY_STEP_MB = 128;
const MOST_MEMORY_MB = 10_240;
/** Workers that are still running tasks when the pool closes are told to stop: so long that may take. */
const CLOSE_WITHIN_MS = 3000;

interface LambdaSlot {
  readonly copy: number;
  readonly attempts: Set<number>;
  retiring: boolean;
}

/**
 * Runs invocations on AWS Lambda: one generic function, whose environments are small machines with one slot each. A slot
 * here is a permission to have one more invoke in flight; which environment takes it is Lambda's business.
 *
 * Bounds: an end is known as soon as Lambda says it; 45 s plus 12 s after a connection fell silent; and an attempt that
 * is cancelled ends within its grace plus 10 s.
 */
export function createLambdaBackend(options: LambdaBackendOptions): ComputeBackend {
  return new LambdaBackend(options);
}

class LambdaBackend implements ComputeBackend, AttemptHost {
  readonly description: string;
  readonly maxSlots: number;
  readonly target: WorkerTarget;
  readonly memory: { readonly defaultMb: number; readonly maxMb: number };
  readonly maxTaskMs: number;
  readonly takesGuests = true;
  readonly aws: ResolvedAwsOptions;
  readonly client: LambdaClient;
  readonly clock: Clock;
  readonly store: ObjectStore;
  readonly location: StoreLocation;
  readonly secrets: () => Readonly<Record<string, string>>;
  readonly encodeError: (error: unknown) => Uint8Array;
  readonly #options: LambdaBackendOptions;
  /** Names the logs of this backend's attempts. */
  readonly #id: string;
  readonly #ramp: Ramp;
  readonly #slots = new Map<string, LambdaSlot>();
  readonly #attempts = new Map<number, RunningAttempt>();
  readonly #found = new Map<string, Promise<WorkerFunction>>();
  #events: ComputeEvents | undefined;
  #wanted = 0;
  #rampTimer: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: LambdaBackendOptions) {
    const { aws, clock, random } = options;
    this.#options = options;
    this.aws = aws;
    this.clock = clock;
    this.store = options.store;
    this.location = options.location;
    this.secrets = options.secrets;
    this.encodeError = options.encodeError;
    const facts = lambdaFacts(aws, options.slots, options.maxSlots);
    this.description = facts.description;
    this.maxSlots = facts.maxSlots;
    this.target = facts.target;
    this.memory = facts.memory;
    this.maxTaskMs = facts.maxTaskMs;
    this.#id = Math.floor(random() * 2 ** 48).toString(36);
    this.#ramp = new Ramp(aws.functionName ? 1 : copiesFor(options.slots), clock.nowMs());
    const { region, endpoint } = aws;
    this.client =
      options.client ?? createLambdaClient({ region, endpoint, clock, credentials: options.credentials });
  }

  /** Nothing is told any more once `close` has resolved. */
  readonly events: ComputeEvents = {
    offer: (slot, queue) => this.#events?.offer(slot, queue),
    withdrawn: (slot) => this.#events?.withdrawn(slot),
    progressed: (attempt, report) => this.#events?.progressed(attempt, report),
    ended: (attempt, end, usage) => this.#events?.ended(attempt, end, usage),
    console: (line) => this.#events?.console(line),
    request: (attempt, requestId, payload) => this.#events?.request(attempt, requestId, payload),
  };

  open(events: ComputeEvents): void {
    this.#events = events;
  }

  // — slots

  scale(slots: number): void {
    if (this.#closed) return;
    this.#wanted = Math.min(Math.max(0, Math.floor(slots)), this.maxSlots);
    queueMicrotask(() => this.#adjust());
  }

  #adjust(): void {
    if (this.#closed) return;
    const active = [...this.#slots].filter(([, slot]) => !slot.retiring);
    for (const [name, slot] of active.slice(this.#wanted)) this.#retire(name, slot);
    let missing = this.#wanted - active.length;
    for (const [name, slot] of missing > 0 ? this.#slots : []) {
      if (!slot.retiring || missing === 0) continue;
      slot.retiring = false;
      missing -= 1;
      this.events.offer(name, 0);
    }
    if (missing > 0) this.#addSlots(missing);
  }

  #addSlots(missing: number): void {
    const copies = this.#ramp.take(missing, this.clock.nowMs());
    if (copies.length < missing) {
      this.#rampTimer?.();
      const delayMs = Math.max(1, this.#ramp.nextMs - this.clock.nowMs());
      this.#rampTimer = this.clock.after(delayMs, () => this.#adjust());
    }
    let number = 0;
    for (const copy of copies) {
      while (this.#slots.has(`lambda-${number}`)) number += 1;
      const name = `lambda-${number}`;
      this.#slots.set(name, { copy, attempts: new Set(), retiring: false });
      this.events.offer(name, 0);
    }
  }

  #retire(name: string, slot: LambdaSlot): void {
    slot.retiring = true;
    if (slot.attempts.size > 0) {
      this.events.offer(name, -1);
      return;
    }
    this.#slots.delete(name);
    this.events.withdrawn(name);
  }

  // — attempts

  start(invocation: Invocation): void {
    if (invocation.host !== undefined) {
      this.#startGuest(invocation, invocation.host);
      return;
    }
    const slot = this.#slots.get(invocation.slot);
    if (!slot || this.#closed) {
      const evidence = slot ? "the pool is closed" : `there is no slot ${invocation.slot}`;
      queueMicrotask(() =>
        this.events.ended(invocation.attempt, { kind: "lost", startedTask: undefined, evidence }),
      );
      return;
    }
    const attempt = new LambdaAttempt(this.#withLog(invocation), this);
    this.#attempts.set(invocation.attempt, attempt);
    slot.attempts.add(invocation.attempt);
    attempt.start();
  }

  #startGuest(invocation: Invocation, hostAttempt: number): void {
    const host = this.#attempts.get(hostAttempt);
    if (!host || this.#closed) {
      const evidence = `attempt ${hostAttempt} is over`;
      queueMicrotask(() =>
        this.events.ended(invocation.attempt, { kind: "revoked", startedTask: undefined, evidence }),
      );
      return;
    }
    const guest = new GuestAttempt(this.#withLog(invocation), host, this);
    this.#attempts.set(invocation.attempt, guest);
    guest.start();
  }

  #withLog(invocation: Invocation): Invocation & { readonly logId: string } {
    return { ...invocation, logId: `${this.#id}-${invocation.attempt}` };
  }

  onGuest(attempt: number, frame: Uint8Array): void {
    const guest = this.#attempts.get(attempt);
    if (guest instanceof GuestAttempt) guest.push(frame);
  }

  connectionLost(root: RootAttempt, why: string): void {
    for (const guest of this.#guestsIn(root)) guest.connectionLost(why);
  }

  #guestsIn(root: RootAttempt): GuestAttempt[] {
    return [...this.#attempts.values()].filter(
      (one) => one instanceof GuestAttempt && one.root === root,
    ) as GuestAttempt[];
  }

  cancel(attempt: number, how: "revoke" | "abort", graceMs?: number): void {
    const known = this.#attempts.get(attempt);
    if (known) queueMicrotask(() => known.cancel(how, graceMs));
  }

  reply(attempt: number, requestId: number, payload: Uint8Array): void {
    this.#attempts.get(attempt)?.reply(requestId, payload);
  }

  /** Called by an attempt just before it tells its end. */
  over(attempt: RunningAttempt): void {
    const { invocation } = attempt;
    this.#attempts.delete(invocation.attempt);
    if (attempt instanceof LambdaAttempt) for (const guest of this.#guestsIn(attempt)) void guest.rootEnded();
    const slot = this.#slots.get(invocation.slot);
    slot?.attempts.delete(invocation.attempt);
    if (slot?.retiring && slot.attempts.size === 0) {
      queueMicrotask(() => {
        if (slot.retiring && this.#slots.get(invocation.slot) === slot) this.#retire(invocation.slot, slot);
      });
    }
  }

  // — functions

  functionFor(invocation: Invocation, again = false): Promise<WorkerFunction> {
    const { memoryMb } = invocation.options;
    const copy = this.#slots.get(invocation.slot)?.copy ?? 0;
    const sizeMb = memoryMb === undefined ? this.aws.memoryMb : sizeFor(memoryMb);
    const id = `${sizeMb} ${copy}`;
    let found = again ? undefined : this.#found.get(id);
    if (!found) {
      found = this.#options.functions.ensure({ memoryMb: sizeMb, copy }, again);
      this.#found.set(id, found);
      found.catch(() => {
        if (this.#found.get(id) === found) this.#found.delete(id);
      });
    }
    return found;
  }

  startFailure(functionName: string, sinceMs: number): Promise<string | undefined> {
    return this.#options.functions.startFailure(functionName, sinceMs);
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#rampTimer?.();
    const stopping = Promise.all([...this.#attempts.values()].map((attempt) => attempt.close()));
    await Promise.race([
      stopping,
      new Promise<void>((resolve) => this.clock.after(CLOSE_WITHIN_MS, resolve)),
    ]);
    this.#events = undefined;
    this.#slots.clear();
    await this.client.close();
  }
}

/** The function for tasks that may use so much. */
function sizeFor(memoryMb: number): number {
  const needMb = machineMemoryMb(memoryMb);
  return Math.min(MOST_MEMORY_MB, Math.ceil(needMb / MEMORY_STEP_MB) * MEMORY_STEP_MB);
}
