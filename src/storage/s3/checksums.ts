import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { corrupt } from "../failures.ts";

/** CRC-32 of the whole object, eight hex digits. */
export const CRC_HEADER = "x-amz-meta-kinglet-crc32";
/** Which put made the object: who retries one finds its own. */
export const PUT_HEADER = "x-amz-meta-kinglet-put";
/** Of objects whose CRC wasn't known when their upload began: the size of the parts that the ETag is made of. */
export const PART_HEADER = "x-amz-meta-kinglet-part-bytes";

export function crcOf(chunks: readonly Uint8Array[]): string {
  let crc = 0;
  for (const chunk of chunks) crc = crc32(chunk, crc);
  return hexOf(crc);
}

export const hexOf = (crc: number): string => crc.toString(16).padStart(8, "0");

/** Follows a whole object as it is read, and compares it with what was known when it was written. */
export interface BodyCheck {
  add(chunk: Uint8Array): void;
  /** @throws StoreError STORE_CORRUPT */
  end(key: string, where: string): void;
}

/** The check that an object's headers allow, if any: objects of other programs have none of ours. */
export function bodyCheck(headers: Readonly<Record<string, string>>): BodyCheck | undefined {
  const expected = headers[CRC_HEADER];
  if (expected !== undefined) return crcCheck(expected);
  const etag = headers["etag"]?.replaceAll('"', "");
  const partBytes = Number(headers[PART_HEADER]);
  // Encrypted with a key of KMS, an ETag is no MD5.
  const plain = !headers["x-amz-server-side-encryption"]?.startsWith("aws:kms");
  if (plain && partBytes > 0 && etag !== undefined && /^[0-9a-f]{32}-\d+$/.test(etag))
    return partsCheck(etag, partBytes);
  return undefined;
}

function crcCheck(expected: string): BodyCheck {
  let crc = 0;
  return {
    add(chunk) {
      crc = crc32(chunk, crc);
    },
    end(key, where) {
      if (hexOf(crc) !== expected) throw corrupt(key, where, "it doesn't match its checksum");
    },
  };
}

/** The ETag of a multipart upload is the MD5 of its parts' MD5s. */
function partsCheck(etag: string, partBytes: number): BodyCheck {
  const whole = createHash("md5");
  let part: Hash | undefined;
  let filledBytes = 0;
  let parts = 0;
  const endPart = (): void => {
    if (part !== undefined) whole.update(part.digest());
    part = undefined;
    filledBytes = 0;
    parts += 1;
  };
  return {
    add(chunk) {
      for (let at = 0; at < chunk.byteLength; ) {
        const piece = chunk.subarray(at, at + partBytes - filledBytes);
        part ??= createHash("md5");
        part.update(piece);
        filledBytes += piece.byteLength;
        at += piece.byteLength;
        if (filledBytes === partBytes) endPart();
      }
    },
    end(key, where) {
      if (part !== undefined) endPart();
      if (`${whole.digest("hex")}-${parts}` !== etag)
        throw corrupt(key, where, "it doesn't match the checksums of its parts");
    },
  };
}
