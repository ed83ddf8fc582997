import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import type { VersionedValue } from "../kv/contract.ts";

/**
 * How objects lie on keys (FORMAT.md, "Objects on keys"): `o/<key>` holds the head, which decides whether the object is there;
 * small bodies follow in it, big ones lie in chunks, logs in segments, under `c/<id>/<number>`, which no other object shares.
 *
 * Head: `kind u8 | 0 u8[3] | crc32 u32 | sizeBytes f64 | id u8[16]`, little-endian.
 */
export const HEAD_BYTES = 32;

/** Bodies up to this size lie in the head: one round trip. */
export const INLINE_BYTES = 64 * 1024;
/** Small enough that others on the connection don't wait long, big enough that 64 MiB are few calls. */
export const CHUNK_BYTES = 1024 * 1024;
/** Of a log. Redis copies a value now and then as it grows. */
export const SEGMENT_BYTES = 16 * 1024 * 1024;

export type Kind = "inline" | "chunked" | "log";
const KINDS: readonly (Kind | undefined)[] = [undefined, "inline", "chunked", "log"];

export interface Head {
  readonly kind: Kind;
  /** Of the body; 0 for a log, whose size is that of its segments. */
  readonly sizeBytes: number;
  /** Of the body; 0 for a log, whose frames have their own. */
  readonly crc: number;
  /** Hex: names the chunks, and this put among all of the key. */
  readonly id: string;
  /** By the writer's clock, milliseconds since the epoch. */
  readonly modifiedMs: number;
  /** The body of an inline object, if all of it was read. */
  readonly inline: Uint8Array;
}

export const headKey = (key: string): string => `o/${key}`;
export const partKey = (id: string, number: number): string => `c/${id}/${number}`;

export function chunkKeys({ id, sizeBytes }: Pick<Head, "id" | "sizeBytes">): string[] {
  return Array.from({ length: Math.ceil(sizeBytes / CHUNK_BYTES) }, (_, i) => partKey(id, i));
}

export function newId(): string {
  return randomBytes(16).toString("hex");
}

/** The bytes of a head, with the body of an inline object. */
export function encodeHead(
  kind: Kind,
  id: string,
  body: { readonly sizeBytes: number; readonly crc: number; readonly inline?: Uint8Array },
): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + (body.inline?.byteLength ?? 0));
  const view = new DataView(bytes.buffer);
  bytes[0] = KINDS.indexOf(kind);
  view.setUint32(4, body.crc, true);
  view.setFloat64(8, body.sizeBytes, true);
  bytes.set(Buffer.from(id, "hex"), 16);
  if (body.inline) bytes.set(body.inline, HEAD_BYTES);
  return bytes;
}

export function encodeInline(id: string, inline: Uint8Array): Uint8Array {
  return encodeHead("inline", id, { sizeBytes: inline.byteLength, crc: crc32(inline), inline });
}

/** The head that the value of `o/<key>` begins with, or undefined if it is none. */
export function decodeHead({
  value,
  modifiedMs,
}: Pick<VersionedValue, "value" | "modifiedMs">): Head | undefined {
  const kind = KINDS[value[0] ?? 0];
  if (kind === undefined || value.byteLength < HEAD_BYTES) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return {
    kind,
    crc: view.getUint32(4, true),
    sizeBytes: view.getFloat64(8, true),
    id: Buffer.from(value.buffer, value.byteOffset + 16, 16).toString("hex"),
    modifiedMs,
    inline: value.subarray(HEAD_BYTES),
  };
}
