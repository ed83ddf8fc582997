import { StoreError } from "../errors.ts";

/**
 * The first two bytes of every encoded value:
 *
 *     0xC0 | format    the format of the envelope, 1
 *     tag              0–15: the value itself follows (see tree.ts); else the lane that holds it
 *
 * The lanes `bytes`, `plain` and `graph` have a header of 8 bytes, so that what follows is 8-byte aligned.
 */
export const FORMAT = 1;
const MAGIC = 0xc0;
export const FIRST_BYTE = MAGIC | FORMAT;

export const LANE_BYTES = 0xe0;
export const LANE_PLAIN = 0xe1;
export const LANE_GRAPH = 0xe2;
export const LANE_HEADER_BYTES = 8;

/** The tag of an encoded value. @throws StoreError STORE_CORRUPT, STORE_VERSION */
export function tagOf(bytes: Uint8Array): number {
  const first = bytes[0];
  if (first === FIRST_BYTE && bytes.byteLength >= 2) {
    const tag = bytes[1]!;
    if (tag >= LANE_BYTES && bytes.byteLength < LANE_HEADER_BYTES)
      throw damagedValue("its header is cut off");
    return tag;
  }
  if (first === undefined || bytes.byteLength < 2) throw damagedValue(`it has ${bytes.byteLength} bytes`);
  if ((first & 0xf0) === MAGIC && (first & 0x0f) > FORMAT) {
    throw new StoreError(
      "STORE_VERSION",
      `a stored value was written by a newer version of Kinglet (format ${first & 0x0f}; this one reads ${FORMAT})`,
      { remedy: "Update kinglet." },
    );
  }
  throw damagedValue(`it begins with byte 0x${first.toString(16).padStart(2, "0")}, as no value does`);
}

export function damagedValue(what: string, cause?: unknown): StoreError {
  return new StoreError("STORE_CORRUPT", `a stored value is damaged: ${what}`, {
    remedy: "Remove the object that holds it, and run what wrote it again.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A value of this Kinglet's format that needs a newer Node to be read. */
export function nodeTooOldFor(what: string): StoreError {
  return new StoreError(
    "STORE_VERSION",
    `a stored value holds ${what}, which Node ${process.versions.node} can't read`,
    {
      remedy: "Read it with the version of Node that wrote it, or a newer one.",
    },
  );
}
