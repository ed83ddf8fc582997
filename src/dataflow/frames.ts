import { crc32, deflateRawSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { StoreError } from "../errors.ts";

/**
 * Intermediate objects are rows of frames: `way u32 | raw length u32 | stored length u32 | crc32 u32 | stored bytes`, so that
 * any part from frame to frame can be read, checked and unpacked by itself.
 */
export type Compression = "zstd" | "deflate" | "none";

const HEADER_BYTES = 16;
const WAYS: readonly Compression[] = ["none", "zstd", "deflate"];
const MAGIC = 0x4b444600;

/** `ZSTD_c_compressionLevel` of zstd.h; the build takes nothing but functions from node:zlib. */
const ZSTD_LEVEL = 100;
const ZSTD_FAST = { params: { [ZSTD_LEVEL]: 1 } };

/** A frame, as chunks. What doesn't get smaller is stored as it is. */
export function packFrame(raw: Uint8Array, compression: Compression): [Uint8Array, Uint8Array] {
  let way = compression;
  let stored = raw;
  if (way === "zstd") stored = zstdCompressSync(raw, ZSTD_FAST);
  else if (way === "deflate") stored = deflateRawSync(raw, { level: 1 });
  if (stored.length >= raw.length) [way, stored] = ["none", raw];
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32LE(MAGIC + WAYS.indexOf(way), 0);
  header.writeUInt32LE(raw.length, 4);
  header.writeUInt32LE(stored.length, 8);
  header.writeUInt32LE(crc32(stored), 12);
  return [header, stored];
}

/** Cuts chunks of any size into frames and unpacks them. */
export class FrameReader {
  readonly #what: string;
  #held: Buffer = Buffer.alloc(0);

  /** @param what for messages: the name of the object */
  constructor(what: string) {
    this.#what = what;
  }

  push(chunk: Uint8Array): void {
    const more = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#held = this.#held.length === 0 ? more : Buffer.concat([this.#held, more]);
  }

  /** The next frame's content; undefined if more must be pushed. @throws StoreError STORE_CORRUPT */
  next(): Buffer | undefined {
    const held = this.#held;
    if (held.length < HEADER_BYTES) return undefined;
    const way = WAYS[held.readUInt32LE(0) - MAGIC];
    if (way === undefined) throw this.#damaged("a frame has no header");
    const rawBytes = held.readUInt32LE(4);
    const end = HEADER_BYTES + held.readUInt32LE(8);
    if (held.length < end) return undefined;
    const stored = held.subarray(HEADER_BYTES, end);
    this.#held = held.subarray(end);
    if (crc32(stored) !== held.readUInt32LE(12)) throw this.#damaged("a frame doesn't match its checksum");
    const raw =
      way === "none" ? stored : way === "zstd" ? zstdDecompressSync(stored) : inflateRawSync(stored);
    if (raw.length !== rawBytes) throw this.#damaged("a frame has another length than it says");
    return raw;
  }

  /** Call where the bytes end. @throws StoreError STORE_CORRUPT if they end within a frame */
  end(): void {
    if (this.#held.length > 0) throw this.#damaged("it ends within a frame");
  }

  #damaged(why: string): StoreError {
    return new StoreError("STORE_CORRUPT", `${this.#what} is damaged: ${why}`, {
      remedy: "It is an intermediate object; run the computation again.",
      details: { key: this.#what },
    });
  }
}
