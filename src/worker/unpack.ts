import { createHash } from "node:crypto";
import fs from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { unpackTar } from "modern-tar/fs";

/** Unpacks a gzipped tar into a folder, in bounded memory. @returns SHA-256 of the tar, hex */
export async function unpackArchive(bytes: AsyncIterable<Uint8Array>, folder: string): Promise<string> {
  fs.mkdirSync(folder, { recursive: true });
  const hash = createHash("sha256");
  await pipeline(
    Readable.from(bytes, { objectMode: true, highWaterMark: 1 }),
    createGunzip(),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    unpackTar(folder),
  );
  return hash.digest("hex");
}
