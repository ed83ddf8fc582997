import { UsageError } from "../errors.ts";
import type { Context } from "../index.ts";
import { show } from "../options.ts";
import type { BspSpec, Shared } from "./bsp-spec.ts";
import { compareBytes } from "./key-sort.ts";
import { decodeKey } from "./keys.ts";
import type { Merger, RunCursor } from "./merge.ts";
import type { PairBuffer } from "./pair-buffer.ts";
import type { PartitionReader } from "./partition-reader.ts";
import type { RunWriter } from "./run-writer.ts";
import { Partials, type Vertex } from "./vertex.ts";

interface StepParts {
  readonly spec: BspSpec;
  readonly shared: Shared;
  readonly ctx: Context;
  readonly reader: PartitionReader;
  /** Messages, in the order of their vertices. */
  readonly merger: Merger;
  readonly sent: PairBuffer;
}

const NO_MESSAGES: readonly unknown[] = Object.freeze([]);

/** Goes over the vertices of a partition and their messages, both in the order of ids, and computes those that are awake. */
export class PartitionStep {
  readonly #parts: StepParts;
  readonly #partials: Partials;
  readonly #vertex: TurnOfVertex;
  #bits = new Uint8Array(1024);
  #count = 0;
  active = 0;

  constructor(parts: StepParts) {
    this.#parts = parts;
    this.#partials = new Partials(parts.spec.aggregators);
    this.#vertex = new TurnOfVertex(parts.shared, parts.sent, this.#partials);
  }

  /** Writes each vertex; yields wherever bytes should be taken. */
  async *run(add: RunWriter["add"]): AsyncGenerator<void, void, undefined> {
    const { reader, merger } = this.#parts;
    for (;;) {
      const vertex = reader.top;
      const message = merger.top;
      if (!vertex && !message) return;
      const order = !message ? -1 : !vertex ? 1 : compareKeys(vertex, message);
      if (order > 0) {
        if (await this.#runMissing(message!, add)) yield;
        continue;
      }
      const { keys, start, end } = vertex!;
      let { value: state } = vertex!;
      let halted = reader.isHalted;
      if (order === 0 || !halted) {
        const messages = order === 0 ? await this.#messages(keys, start, end) : NO_MESSAGES;
        this.#vertex.begin(decodeKey(keys, start, end), state, reader.edges());
        const computing = this.#compute(messages);
        if (computing instanceof Promise) await computing;
        ({ state, halted } = this.#vertex);
      }
      this.#note(halted);
      if (add(0, keys, start, end, state)) yield;
      const reading = reader.advance();
      if (reading) await reading;
    }
  }

  /** Messages to a vertex that isn't there. */
  async #runMissing(message: RunCursor, add: RunWriter["add"]): Promise<boolean> {
    const key = Buffer.from(message.keys.subarray(message.start, message.end));
    const messages = await this.#messages(key, 0, key.length);
    const id = decodeKey(key);
    const { missing } = this.#parts.spec;
    if (missing === "ignore") return false;
    if (missing === undefined) throw noSuchVertex(id);
    this.#vertex.begin(id, missing(id), undefined);
    await this.#compute(messages);
    this.#note(this.#vertex.halted);
    return add(0, key, 0, key.length, this.#vertex.state);
  }

  #compute(messages: readonly unknown[]): unknown {
    return this.#parts.spec.compute(this.#vertex, messages, this.#parts.ctx);
  }

  /** All messages to a vertex, whose turn it is; one, if they can be combined. */
  async #messages(keys: Buffer, start: number, end: number): Promise<unknown[]> {
    const { merger, spec } = this.#parts;
    const messages: unknown[] = [];
    for (let top = merger.top; top; top = merger.top) {
      if (compareBytes(top.keys, top.start, top.end, keys, start, end) !== 0) break;
      if (spec.combine && messages.length > 0) messages[0] = spec.combine(messages[0], top.value);
      else messages.push(top.value);
      const reading = merger.advance();
      if (reading) await reading;
    }
    return messages;
  }

  #note(halted: boolean): void {
    const index = this.#count++;
    if (!halted) {
      this.active++;
      return;
    }
    if (index >> 3 >= this.#bits.length) {
      const grown = new Uint8Array(2 * this.#bits.length);
      grown.set(this.#bits);
      this.#bits = grown;
    }
    this.#bits[index >> 3]! |= 1 << (index & 7);
  }

  /** Nothing if all vertices are halted, or none is. */
  get haltedBits(): Uint8Array | undefined {
    if (this.active === 0 || this.active === this.#count) return undefined;
    const bits = new Uint8Array((this.#count + 7) >> 3);
    bits.set(this.#bits.subarray(0, bits.length));
    return bits;
  }

  get partials(): ReadonlyMap<string, unknown> {
    return this.#partials.values;
  }
}

function compareKeys(a: RunCursor, b: RunCursor): number {
  return a.prefix - b.prefix || compareBytes(a.keys, a.start, a.end, b.keys, b.start, b.end);
}

function noSuchVertex(id: unknown): UsageError {
  return new UsageError("BAD_ARGUMENT", `bsp: a message was sent to vertex ${show(id)}, which isn't there`, {
    remedy:
      'Give that vertex, or say what becomes of such messages: missing: "ignore", or (id) => state to make it.',
  });
}

/** One object for all vertices of a partition, as each has its turn. */
class TurnOfVertex implements Vertex<unknown, unknown, unknown, unknown, Record<string, unknown>> {
  id: unknown;
  state: unknown;
  edges: unknown;
  halted = false;
  readonly superstep: number;
  readonly count: number;
  readonly aggregates: Readonly<Record<string, unknown>>;
  readonly #sent: PairBuffer;
  readonly #partials: Partials;

  constructor(shared: Shared, sent: PairBuffer, partials: Partials) {
    this.superstep = shared.superstep;
    this.count = shared.count;
    this.aggregates = shared.aggregates;
    this.#sent = sent;
    this.#partials = partials;
  }

  begin(id: unknown, state: unknown, edges: unknown): void {
    this.id = id;
    this.state = state;
    this.edges = edges;
    this.halted = false;
  }

  send(to: unknown, message: unknown): void {
    this.#sent.add(to, message);
  }

  aggregate(name: string, value: unknown): void {
    this.#partials.add(name, value);
  }

  halt(): void {
    this.halted = true;
  }
}
