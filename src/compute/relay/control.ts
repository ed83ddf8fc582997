import { controlName } from "../../job/keys.ts";
import type { ObjectStore } from "../../storage/contract.ts";
import { isNotFound } from "../../storage/failures.ts";

/**
 * The way from a driver to a supervisor that it has no connection to: small objects beside the job's logs, which the
 * supervisor looks for. Each has one writer; orders are replaced as a whole.
 */
export interface Orders {
  /** Stop, by force after `graceMs`. */
  readonly abort?: { readonly graceMs: number };
  /** The driver doesn't hear the supervisor any more: from now on it is to say in the store that it lives, and how it ends. */
  readonly report?: true;
}

/** Whose orders: an attempt's, by the prefix of its journal and the id of its log. */
export interface ControlPlace {
  readonly store: ObjectStore;
  readonly journalPrefix: string;
  readonly logId: string;
}

const keyOf = ({ journalPrefix, logId }: ControlPlace, part: string): string =>
  journalPrefix + controlName(logId, part);

export const inputsKey = (place: ControlPlace): string => keyOf(place, "inputs");

/** Stands in the place of one that was withdrawn. */
const NO_GUEST = new Uint8Array(0);

/** The driver's side. */
export class OrderWriter {
  readonly #place: ControlPlace;
  #orders: Orders = {};
  /** Keys that were written. */
  readonly #keys = new Set<string>();
  #guests = 0;
  /** One put after the other: the last orders must be the ones that stay. */
  #putting: Promise<unknown> = Promise.resolve();

  constructor(place: ControlPlace) {
    this.#place = place;
  }

  /** @throws StoreError */
  give(orders: Orders): Promise<unknown> {
    this.#orders = { ...this.#orders, ...orders };
    return this.#put("", Buffer.from(JSON.stringify(this.#orders)));
  }

  /** @throws StoreError */
  reply(requestId: number, payload: Uint8Array): Promise<unknown> {
    return this.#put(`reply-${requestId}`, payload);
  }

  /** An invocation that is to run beside it. @returns its number @throws StoreError */
  async invite(guest: Uint8Array): Promise<number> {
    this.#guests += 1;
    const number = this.#guests;
    await this.#put(`guest-${number}`, guest);
    return number;
  }

  /** Nobody needs that guest any more. @throws StoreError */
  withdraw(number: number): Promise<unknown> {
    return this.#put(`guest-${number}`, NO_GUEST);
  }

  /** Inputs that are too long for the message itself; their key. @throws StoreError */
  async putInputs(inputs: Uint8Array): Promise<string> {
    await this.#put("inputs", inputs);
    return inputsKey(this.#place);
  }

  /** What the supervisor has said in the store since it was ordered to. @throws StoreError */
  async reports(): Promise<{ alive: string | undefined; end: Uint8Array | undefined }> {
    const [alive, end] = await Promise.all(["alive", "end"].map((part) => find(this.#place, part)));
    for (const [part, bytes] of [["alive", alive] as const, ["end", end] as const]) {
      if (bytes) this.#keys.add(keyOf(this.#place, part));
    }
    return { alive: alive && Buffer.from(alive).toString(), end };
  }

  /** The attempt is over. What stays behind is removed with the journal. */
  async cleanUp(): Promise<void> {
    if (this.#keys.size === 0) return;
    await this.#putting.catch(() => {});
    await this.#place.store.delete([...this.#keys]).catch(() => {});
  }

  #put(part: string, bytes: Uint8Array): Promise<unknown> {
    const key = keyOf(this.#place, part);
    this.#keys.add(key);
    const put = this.#putting.catch(() => {}).then(() => this.#place.store.put(key, bytes));
    this.#putting = put.catch(() => {});
    return put;
  }
}

/** The supervisor's side. */
export class OrderReader {
  readonly #place: ControlPlace;
  #beats = 0;

  constructor(place: ControlPlace) {
    this.#place = place;
  }

  /** @throws StoreError */
  async orders(): Promise<Orders | undefined> {
    const bytes = await find(this.#place, "");
    return bytes && (JSON.parse(Buffer.from(bytes).toString()) as Orders);
  }

  /** @throws StoreError */
  reply(requestId: number): Promise<Uint8Array | undefined> {
    return find(this.#place, `reply-${requestId}`);
  }

  /** The guest of this number, from 1; empty where it was withdrawn. @throws StoreError */
  guest(number: number): Promise<Uint8Array | undefined> {
    return find(this.#place, `guest-${number}`);
  }

  /** @throws StoreError */
  async sayAlive(): Promise<void> {
    this.#beats += 1;
    await this.#place.store.put(keyOf(this.#place, "alive"), Buffer.from(String(this.#beats)));
  }

  /** @throws StoreError */
  async sayEnd(frame: Uint8Array): Promise<void> {
    await this.#place.store.put(keyOf(this.#place, "end"), frame);
  }
}

async function find(place: ControlPlace, part: string): Promise<Uint8Array | undefined> {
  try {
    return await place.store.get(keyOf(place, part));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
