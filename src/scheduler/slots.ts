import type { SlotState } from "./model.ts";

/** The slots that the backend offers. The idle one that was used last is taken first: it is warm. */
export class Slots {
  readonly #byName = new Map<string, SlotState>();
  readonly #idle: SlotState[] = [];

  get size(): number {
    return this.#byName.size;
  }

  get idle(): number {
    return this.#idle.length;
  }

  get(name: string): SlotState | undefined {
    return this.#byName.get(name);
  }

  offer(name: string, queue: number): SlotState {
    let slot = this.#byName.get(name);
    if (!slot) {
      slot = { name, queue, attempts: [], idleAt: -1 };
      this.#byName.set(name, slot);
    }
    slot.queue = queue;
    if (queue < 0) this.setBusy(slot);
    else if (slot.attempts.length === 0) this.setIdle(slot);
    return slot;
  }

  withdraw(slot: SlotState): void {
    this.setBusy(slot);
    this.#byName.delete(slot.name);
  }

  has(slot: SlotState): boolean {
    return this.#byName.get(slot.name) === slot;
  }

  /** The next idle slot, which stays idle until `setBusy`. */
  peekIdle(): SlotState | undefined {
    return this.#idle[this.#idle.length - 1];
  }

  /** A slot that takes nothing more (`queue` below 0) is never idle. */
  setIdle(slot: SlotState): void {
    if (slot.idleAt >= 0 || slot.queue < 0) return;
    slot.idleAt = this.#idle.length;
    this.#idle.push(slot);
  }

  setBusy(slot: SlotState): void {
    if (slot.idleAt < 0) return;
    const last = this.#idle.pop()!;
    if (last !== slot) {
      this.#idle[slot.idleAt] = last;
      last.idleAt = slot.idleAt;
    }
    slot.idleAt = -1;
  }
}
