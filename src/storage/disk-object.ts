import fs from "node:fs";
import { crc32 } from "node:zlib";

/**
 * An object's file: its bytes, then a footer of 16 bytes, all little-endian:
 *
 *     "KNG1"   magic
 *     u32      CRC-32 of the bytes
 *     u64      length of the bytes
 *
 * The bytes begin at offset 0, so whoever reads ranges of the file sees the object's own offsets. The file is
 * read-only (0400) once it is linked into place. A log has no footer (its frames carry checksums) and is writable
 * (0600): that tells an object that lost its footer from a log.
 */
export const FOOTER_BYTES = 16;
export const OBJECT_MODE = 0o400;
export const LOG_MODE = 0o600;
const MAGIC = 0x31474e4b;

/** Up to here a synchronous read or write (≈ 10–30 µs) is quicker than a trip through the thread pool (≈ 100 µs). */
export const SMALL_BYTES = 64 * 1024;
/** What a stream yields, and a long read or write asks for, at once. */
export const PIECE_BYTES = 1024 * 1024;
/** The system takes at most 2 GiB, and 1,024 chunks, in one call. */
const MAX_IO_BYTES = 1024 ** 3;
const MAX_IO_CHUNKS = 1024;

export function footerOf(crc: number, sizeBytes: number): Uint8Array {
  const footer = Buffer.allocUnsafe(FOOTER_BYTES);
  footer.writeUInt32LE(MAGIC, 0);
  footer.writeUInt32LE(crc, 4);
  footer.writeBigUInt64LE(BigInt(sizeBytes), 8);
  return footer;
}

export interface FileKind {
  /** Of the object or log, without any footer. */
  readonly sizeBytes: number;
  /** CRC-32 of the bytes; undefined for a log. */
  readonly crc: number | undefined;
}

/** What an open file is, or a phrase that says how it is damaged. */
export function identify(fd: number, stats: fs.Stats): FileKind | string {
  const bodyBytes = stats.size - FOOTER_BYTES;
  if (bodyBytes >= 0) {
    const footer = Buffer.allocUnsafe(FOOTER_BYTES);
    const readBytes = fs.readSync(fd, footer, 0, FOOTER_BYTES, bodyBytes);
    const kind = readBytes === FOOTER_BYTES ? parseFooter(footer, bodyBytes) : undefined;
    if (kind !== undefined) return kind;
  }
  if (isLogMode(stats.mode)) return { sizeBytes: stats.size, crc: undefined };
  return `its file of ${stats.size} bytes doesn't end with its length and checksum`;
}

/** The footer's facts if it belongs to a body of this length. */
export function parseFooter(footer: Buffer, bodyBytes: number): FileKind | undefined {
  if (footer.readUInt32LE(0) !== MAGIC || footer.readBigUInt64LE(8) !== BigInt(bodyBytes)) return undefined;
  return { sizeBytes: bodyBytes, crc: footer.readUInt32LE(4) };
}

export function isLogMode(mode: number): boolean {
  return (mode & 0o200) !== 0;
}

export function crcOf(chunks: readonly Uint8Array[], crc = 0): number {
  for (const chunk of chunks) crc = crc32(chunk, crc);
  return crc;
}

/** Writes all chunks at the file's end, in as few calls as the system allows. */
export function writeAllSync(fd: number, chunks: readonly Uint8Array[]): void {
  let rest = withoutEmpty(chunks);
  while (rest.length > 0) {
    // For one chunk, `write` is the quicker call.
    const only = rest.length === 1 ? rest[0]! : undefined;
    const isOne = only !== undefined && only.byteLength <= MAX_IO_BYTES;
    const writtenBytes = isOne ? fs.writeSync(fd, only) : fs.writevSync(fd, firstCall(rest));
    if (isOne && writtenBytes === only.byteLength) return;
    rest = after(rest, writtenBytes);
  }
}

export async function writeAll(
  fd: number,
  chunks: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<void> {
  let rest = withoutEmpty(chunks);
  while (rest.length > 0) {
    signal?.throwIfAborted();
    rest = after(rest, await writevAsync(fd, firstCall(rest)));
  }
}

/** Fills `into` from `offset` in the file; returns how many bytes there were. */
export function readFullSync(fd: number, into: Uint8Array, offset: number): number {
  let filled = 0;
  while (filled < into.byteLength) {
    const got = fs.readSync(
      fd,
      into,
      filled,
      Math.min(into.byteLength - filled, MAX_IO_BYTES),
      offset + filled,
    );
    if (got === 0) break;
    filled += got;
  }
  return filled;
}

export async function readFull(
  fd: number,
  into: Uint8Array,
  offset: number,
  signal?: AbortSignal,
): Promise<number> {
  let filled = 0;
  while (filled < into.byteLength) {
    signal?.throwIfAborted();
    const lengthBytes = Math.min(into.byteLength - filled, MAX_IO_BYTES);
    const bytesRead = await readAsync(fd, into, filled, lengthBytes, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

function writevAsync(fd: number, chunks: readonly Uint8Array[]): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, chunks, null, (error, writtenBytes) => (error ? reject(error) : resolve(writtenBytes)));
  });
}

function readAsync(
  fd: number,
  into: Uint8Array,
  at: number,
  lengthBytes: number,
  offset: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, into, at, lengthBytes, offset, (error, readBytes) =>
      error ? reject(error) : resolve(readBytes),
    );
  });
}

function withoutEmpty(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  return chunks.some((chunk) => chunk.byteLength === 0)
    ? chunks.filter((chunk) => chunk.byteLength > 0)
    : chunks;
}

/** As many of the chunks as one call takes. */
function firstCall(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  let sizeBytes = 0;
  let count = 0;
  for (const chunk of chunks) {
    if (count === MAX_IO_CHUNKS || sizeBytes + chunk.byteLength > MAX_IO_BYTES) break;
    sizeBytes += chunk.byteLength;
    count += 1;
  }
  if (count === 0) return [chunks[0]!.subarray(0, MAX_IO_BYTES)];
  return count === chunks.length ? chunks : chunks.slice(0, count);
}

/** What remains of the chunks after `writtenBytes` of them. */
function after(chunks: readonly Uint8Array[], writtenBytes: number): readonly Uint8Array[] {
  // A system that takes nothing and gives no reason would be asked for ever.
  if (!(writtenBytes > 0)) throw Object.assign(new Error("EIO: the system wrote nothing"), { code: "EIO" });
  let index = 0;
  let left = writtenBytes;
  while (index < chunks.length && left >= chunks[index]!.byteLength) {
    left -= chunks[index]!.byteLength;
    index += 1;
  }
  if (left === 0) return chunks.slice(index);
  return [chunks[index]!.subarray(left), ...chunks.slice(index + 1)];
}
