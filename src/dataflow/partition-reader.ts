import type { Context } from "../index.ts";
import type { PartitionInput, Section } from "./bsp-spec.ts";
import { FrameReader } from "./frames.ts";
import { compareBytes } from "./key-sort.ts";
import { RunCursor } from "./merge.ts";
import { RangeSource } from "./range-source.ts";
import { codecOf } from "./shuffle-tasks.ts";

const CHUNK_BYTES = 1024 * 1024;

/** The ids, states, edges and votes of a partition, vertex by vertex in the order of ids, in bounded memory. */
export class PartitionReader {
  readonly #sources: RangeSource[] = [];
  readonly #states: RunCursor | undefined;
  #edges: RunCursor | undefined;
  readonly #halted: RangeSource | undefined;
  readonly #votes: Pick<PartitionInput, "vertices" | "active">;
  #bits: Uint8Array | undefined;
  #index = 0;

  constructor(input: PartitionInput, names: readonly string[], ctx: Context) {
    const { partition, partitions } = input;
    this.#votes = input;
    const sourceOf = (object: number, { offset, length }: Section): RangeSource | undefined => {
      if (length === 0) return undefined;
      const source = new RangeSource(ctx.store, names[object]!, object, { offset, length }, CHUNK_BYTES);
      this.#sources.push(source);
      return source;
    };
    const cursorOf = (source: RangeSource | undefined) =>
      source && new RunCursor(source, 0, codecOf(ctx).decode);
    this.#states = cursorOf(sourceOf(partitions + partition, input.states));
    this.#edges = cursorOf(sourceOf(partition, input.edges));
    this.#halted = sourceOf(partitions + partition, input.halted);
  }

  /** The vertex that is next; undefined at the end. Its id is the bytes from `start` to `end` of `keys`. */
  top: RunCursor | undefined;

  async open(): Promise<void> {
    const [hasStates, hasEdges, bits] = await Promise.all([
      this.#states?.open(),
      this.#edges?.open(),
      this.#halted && readBits(this.#halted),
    ]);
    this.#bits = bits;
    if (hasStates) this.top = this.#states;
    if (!hasEdges) this.#edges = undefined;
  }

  get isHalted(): boolean {
    const { vertices, active } = this.#votes;
    if (active === vertices || active === 0) return active === 0;
    return (this.#bits![this.#index >> 3]! & (1 << (this.#index & 7))) !== 0;
  }

  /** Edges of the vertex that is next. They may be of fewer vertices than the states are: messages can make some. */
  edges(): unknown {
    const { top } = this;
    const edges = this.#edges;
    if (!top || !edges) return undefined;
    return compareBytes(edges.keys, edges.start, edges.end, top.keys, top.start, top.end) === 0
      ? edges.value
      : undefined;
  }

  /** To the next vertex; a promise where something must be read first. */
  advance(): Promise<void> | undefined {
    const edges = this.#edges;
    const states = this.#states!;
    const isTheirs =
      edges !== undefined &&
      compareBytes(edges.keys, edges.start, edges.end, states.keys, states.start, states.end) === 0;
    this.#index++;
    const edgesEnd = isTheirs && !edges.step();
    const statesEnd = !states.step();
    return edgesEnd || statesEnd ? this.#refill(edgesEnd, statesEnd) : undefined;
  }

  async #refill(edges: boolean, states: boolean): Promise<void> {
    if (edges && !(await this.#edges!.refill())) this.#edges = undefined;
    if (states && !(await this.#states!.refill())) this.top = undefined;
  }

  get gets(): number {
    return this.#sources.reduce((sum, { gets }) => sum + gets, 0);
  }
}

async function readBits(source: RangeSource): Promise<Uint8Array> {
  const frames = new FrameReader(source.name);
  try {
    for (let chunk = await source.next(); chunk; chunk = await source.next()) frames.push(chunk);
    const bits = frames.next();
    frames.end();
    return bits!;
  } catch (error) {
    throw source.failure(error);
  }
}
