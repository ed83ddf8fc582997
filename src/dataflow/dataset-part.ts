import { randomBytes } from "node:crypto";
import type { Context } from "../index.ts";
import type { Decode, Encode } from "./blocks.ts";
import { type Compression, FrameReader, packFrame } from "./frames.ts";
import { SizeEstimate } from "./size-estimate.ts";

const FRAME_BYTES = 256 * 1024;
const READ_BYTES = 1024 * 1024;

/** One object of a dataset: values in order, in frames. Plain data: it travels among items. */
export interface DatasetPart {
  readonly kind: "kinglet.dataset-part";
  readonly key: string;
  readonly count: number;
  readonly sizeBytes: number;
}

export const isDatasetPart = (value: unknown): value is DatasetPart =>
  typeof value === "object" && value !== null && (value as DatasetPart).kind === "kinglet.dataset-part";

/** Names of objects are unique, so that no second attempt writes over the first one's. */
export const uniqueName = (index: number): string => `${index}-${randomBytes(6).toString("hex")}`;

/** Values as frames, in chunks. */
export async function* valueFrames(
  values: AsyncIterable<unknown>,
  encode: Encode,
  compression: Compression,
  written: { count: number; sizeBytes: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const sizes = new SizeEstimate(encode);
  let held: unknown[] = [];
  let heldBytes = 0;
  function* frame() {
    for (const chunk of packFrame(encode(held), compression)) {
      written.sizeBytes += chunk.length;
      yield chunk;
    }
    written.count += held.length;
    held = [];
    heldBytes = 0;
  }
  for await (const value of values) {
    held.push(value);
    heldBytes += sizes.of(value);
    if (heldBytes >= FRAME_BYTES) yield* frame();
  }
  if (held.length > 0) yield* frame();
}

/** The values of a part, in order, in bounded memory. @throws StoreError NOT_FOUND, STORE_CORRUPT */
export async function* partValues(part: DatasetPart, ctx: Context): AsyncGenerator<unknown, void, undefined> {
  const decode: Decode = (bytes) => ctx.decode(bytes);
  const frames = new FrameReader(part.key);
  for (let offsetBytes = 0; offsetBytes < part.sizeBytes; offsetBytes += READ_BYTES) {
    frames.push(await ctx.store.get(part.key, { offsetBytes, lengthBytes: READ_BYTES }));
    for (let frame = frames.next(); frame; frame = frames.next()) {
      yield* (await decode(Buffer.from(frame))) as unknown[];
    }
  }
  frames.end();
}

/** All values of a part. */
export async function partArray(part: DatasetPart, ctx: Context): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of partValues(part, ctx)) values.push(value);
  return values;
}
