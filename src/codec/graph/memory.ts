import * as types from "node:util/types";
import type { FunctionHook } from "./hooks.ts";
import type { Base, GraphNode, Ref } from "./nodes.ts";
import type { PathStep } from "./path.ts";

/** What of the graph's writer is needed here. */
export interface MemoryHost {
  readonly hook: FunctionHook;
  body(bytes: Uint8Array): number;
  add(node: GraphNode): number;
  known(value: object): number | undefined;
}

interface ViewOfMemory {
  readonly base: MutableView;
  readonly startBytes: number;
  readonly endBytes: number;
}

type MutableView = ["view", string, Ref, number, number?];

interface Memory {
  readonly views: ViewOfMemory[];
  /** The ArrayBuffer itself was met, or a typed array whose `buffer` anyone may ask for. */
  whole: boolean;
}

/**
 * ArrayBuffers and their views. Views of one memory keep sharing it. Of memory that Node's Buffers are cut from
 * only the parts in use are sent: the rest belongs to others, and may hold their secrets.
 */
export class MemoryWriter {
  readonly #writer: MemoryHost;
  readonly #memories = new Map<ArrayBuffer, Memory>();

  constructor(writer: MemoryHost) {
    this.#writer = writer;
  }

  bufferBase(buffer: ArrayBuffer): Base {
    this.#memoryOf(buffer).whole = true;
    const body = this.#writer.body(new Uint8Array(buffer));
    return isResizable(buffer) ? ["arrayBuffer", body, buffer.maxByteLength] : ["arrayBuffer", body];
  }

  viewBase(view: ArrayBufferView, step: PathStep): Base {
    const buffer = view.buffer;
    if (types.isSharedArrayBuffer(buffer)) {
      this.#writer.hook.fail(
        { parent: step, text: ".buffer" },
        { why: "it is a SharedArrayBuffer, memory of this process", remedy: "Copy it with .slice()." },
      );
    }
    const kind = Buffer.isBuffer(view) ? "Buffer" : types.isDataView(view) ? "DataView" : tagOf(view);
    const length = kind === "DataView" ? view.byteLength : (view as Uint8Array).length;
    const base: MutableView = isResizable(buffer as ArrayBuffer)
      ? ["view", kind, -1, view.byteOffset]
      : ["view", kind, -1, view.byteOffset, length];
    const memory = this.#memoryOf(buffer as ArrayBuffer);
    memory.views.push({ base, startBytes: view.byteOffset, endBytes: view.byteOffset + view.byteLength });
    if (kind !== "Buffer" && buffer.byteLength !== Buffer.poolSize) memory.whole = true;
    return base;
  }

  /** Decides, now that all views are known, what of each memory is sent. */
  finish(): void {
    for (const [buffer, memory] of this.#memories) {
      if (memory.whole || isResizable(buffer)) this.#useWhole(buffer, memory);
      else this.#useParts(buffer, memory);
    }
  }

  #memoryOf(buffer: ArrayBuffer): Memory {
    let memory = this.#memories.get(buffer);
    if (!memory) this.#memories.set(buffer, (memory = { views: [], whole: false }));
    return memory;
  }

  #useWhole(buffer: ArrayBuffer, memory: Memory): void {
    let id = this.#writer.known(buffer);
    if (id === undefined) id = this.#addMemory(this.bufferBase(buffer));
    for (const { base } of memory.views) base[2] = id;
  }

  /** Views that overlap share a memory; others get one each. */
  #useParts(buffer: ArrayBuffer, memory: Memory): void {
    const views = memory.views.toSorted((a, b) => a.startBytes - b.startBytes || a.endBytes - b.endBytes);
    for (let first = 0; first < views.length; ) {
      const startBytes = views[first]!.startBytes;
      let endBytes = views[first]!.endBytes;
      let next = first + 1;
      while (next < views.length && views[next]!.startBytes < endBytes) {
        endBytes = Math.max(endBytes, views[next++]!.endBytes);
      }
      // Offsets stay multiples of 8 where they were, as typed arrays need; the bytes before are zeros.
      const padBytes = startBytes % 8;
      const bytes = new Uint8Array(padBytes + endBytes - startBytes);
      bytes.set(new Uint8Array(buffer, startBytes, endBytes - startBytes), padBytes);
      const id = this.#addMemory(["arrayBuffer", this.#writer.body(bytes)]);
      for (const { base, startBytes: viewStart } of views.slice(first, next)) {
        base[2] = id;
        base[3] = viewStart - startBytes + padBytes;
      }
      first = next;
    }
  }

  #addMemory(base: Base): number {
    return this.#writer.add(["object", base, -1, [], 0, undefined]);
  }
}

function isResizable(buffer: ArrayBuffer): boolean {
  return buffer.resizable === true;
}

/** `Float64Array` and so on, also of a subclass. */
function tagOf(view: ArrayBufferView): string {
  return Object.prototype.toString.call(view).slice(8, -1);
}
