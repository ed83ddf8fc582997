import type { Clock } from "../../clock.ts";
import type { ObjectStore } from "../../storage/contract.ts";
import type { ComputeEvents, Invocation } from "../contract.ts";
import type { OrderWriter } from "../relay/control.ts";
import type { LambdaClient } from "./client.ts";
import type { ResolvedAwsOptions, WorkerFunction } from "./deploy/contract.ts";
import type { PayloadParts } from "./payload.ts";

/** What both kinds of attempts are to the backend. */
export interface RunningAttempt {
  readonly invocation: Invocation & { readonly logId: string };
  readonly orders: OrderWriter;
  /** The one whose environment and connection it has. */
  readonly root: RootAttempt;
  cancel(how: "revoke" | "abort", graceMs?: number): void;
  reply(requestId: number, payload: Uint8Array): void;
  close(): Promise<void>;
}

/** An attempt with an invoke of its own. */
export interface RootAttempt {
  /** What happened to its connection. */
  readonly brokenBy: string | undefined;
  /** Its environment is gone by then, milliseconds since the epoch. */
  readonly untilMs: number;
}

export interface AttemptHost {
  readonly aws: ResolvedAwsOptions;
  readonly client: LambdaClient;
  readonly clock: Clock;
  readonly store: ObjectStore;
  readonly location: PayloadParts["store"];
  readonly events: ComputeEvents;
  /** Values of the secrets that this program knows. */
  secrets(): Readonly<Record<string, string>>;
  /** `again`: it was there, and isn't any more. @throws KingletError */
  functionFor(invocation: Invocation, again?: boolean): Promise<WorkerFunction>;
  startFailure(functionName: string, sinceMs: number): Promise<string | undefined>;
  /** An error as the codec's bytes. */
  encodeError(error: unknown): Uint8Array;
  over(attempt: RunningAttempt): void;
  /** A frame of the guest `attempt`. */
  onGuest(attempt: number, frame: Uint8Array): void;
  /** Nothing more comes of the attempt's response. */
  connectionLost(root: RootAttempt, why: string): void;
}

/** A running task is told to stop, then stopped by force; its word must be here so long after that. */
export const OBEYS_WITHIN_MS = 10_000;
export const DEFAULT_GRACE_MS = 250;
