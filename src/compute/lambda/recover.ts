import type { Clock } from "../../clock.ts";
import type { AttemptEnd } from "../contract.ts";
import type { OrderWriter } from "../relay/control.ts";
import type { RelayedAttempt } from "../relay/relayed-attempt.ts";

export interface Recovery {
  readonly relayed: RelayedAttempt;
  readonly orders: OrderWriter;
  readonly clock: Clock;
  /** What happened to the connection. */
  readonly why: string;
  /** The environment is gone by then, milliseconds since the epoch. */
  readonly untilMs: number;
  isOver(): boolean;
}

const FIRST_LOOK_MS = 100;
const LAST_LOOK_MS = 2000;
/** A supervisor looks for orders every 2 s, and says every 4 s that it lives. */
const ANSWERS_WITHIN_MS = 12_000;

/**
 * Finds what became of an attempt whose connection is dead: its log holds its outcomes; its supervisor is asked to say
 * in the store that it lives, and how it ends. Not run again as long as it may come to its outcomes.
 */
export async function recover(recovery: Recovery): Promise<AttemptEnd> {
  const { relayed, orders, clock, why, untilMs } = recovery;
  let heardMs = clock.nowMs();
  let beat: string | undefined;
  let asked = false;
  for (let lookMs = FIRST_LOOK_MS; !recovery.isOver(); lookMs = Math.min(LAST_LOOK_MS, lookMs * 2)) {
    try {
      if (await relayed.readLog()) return { kind: "ok" };
      if (!asked) {
        await orders.give({ report: true });
        asked = true;
        heardMs = clock.nowMs();
      }
      const { alive, end } = await orders.reports();
      if (alive !== beat) {
        beat = alive;
        heardMs = clock.nowMs();
      }
      if (end) {
        relayed.takeEnd(end);
        // The log was written before that was said.
        return (await relayed.readLog()) ? { kind: "ok" } : relayed.ended!.end;
      }
      if (clock.nowMs() - heardMs > ANSWERS_WITHIN_MS) break;
    } catch {
      // the store is away for a while: nothing is known until then
    }
    if (clock.nowMs() > untilMs) break;
    await new Promise<void>((resolve) => clock.after(lookMs, resolve));
  }
  // Whoever was sent it, and didn't say so, may have begun with it all the same.
  const cutOff = relayed.started ? relayed.cutOff() : { ...relayed.cutOff(), mayHaveStarted: true as const };
  return { kind: "lost", ...cutOff, evidence: `${why}; it left no outcome, and its worker says nothing` };
}

/**
 * A worker says that it could not store an outcome: perhaps because another one, which was given the attempt too, has.
 * Undefined: so it is, and that one may still be at work.
 */
export async function lostOrAnothers(
  relayed: RelayedAttempt,
  first: number,
  end: AttemptEnd,
): Promise<AttemptEnd | undefined> {
  const before = relayed.cursor;
  if (await relayed.readLog()) return { kind: "ok" };
  const { logIsThere, cursor } = relayed;
  return logIsThere && (cursor > before || before === first) ? undefined : end;
}
