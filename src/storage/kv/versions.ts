import { randomBytes } from "node:crypto";
import type { Version } from "./contract.ts";

/**
 * A stamp marks one write of one key: `time u48 (ms since the epoch) | writer u32 (random) | number u16`, big-endian. Stored
 * before the value. No two writes of a key have the same one: a writer would have to write 65,536 times in a millisecond.
 */
export const STAMP_BYTES = 12;

/** Makes the stamps of one writer. */
export class Stamper {
  readonly #writer = randomBytes(4).readUInt32BE(0);
  #number = 0;

  /** Writes the next stamp into the 12 bytes from `at` on. */
  write(bytes: Uint8Array, at = 0): void {
    const nowMs = Date.now();
    const high = Math.floor(nowMs / 0x1_0000_0000);
    const number = (this.#number = (this.#number + 1) & 0xffff);
    const writer = this.#writer;
    bytes[at] = high >>> 8;
    bytes[at + 1] = high;
    bytes[at + 2] = nowMs / 0x1_000_000;
    bytes[at + 3] = nowMs / 0x1_0000;
    bytes[at + 4] = nowMs / 0x100;
    bytes[at + 5] = nowMs;
    bytes[at + 6] = writer >>> 24;
    bytes[at + 7] = writer >>> 16;
    bytes[at + 8] = writer >>> 8;
    bytes[at + 9] = writer;
    bytes[at + 10] = number >>> 8;
    bytes[at + 11] = number;
  }

  /** A stamp alone. */
  next(): Buffer {
    const stamp = Buffer.allocUnsafe(STAMP_BYTES);
    this.write(stamp);
    return stamp;
  }

  /** The value behind a new stamp. */
  stamped(value: Uint8Array): Buffer {
    const stored = Buffer.allocUnsafe(STAMP_BYTES + value.byteLength);
    this.write(stored);
    stored.set(value, STAMP_BYTES);
    return stored;
  }
}

export function versionOf(stored: Buffer): Version {
  return stored.toString("base64url", 0, STAMP_BYTES);
}

export function stampOf(version: Version): Buffer {
  return Buffer.from(version, "base64url");
}

export function modifiedMsOf(stored: Buffer): number {
  return stored.readUIntBE(0, 6);
}
