import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { crc32 } from "node:zlib";
import { storeFailure } from "../failures.ts";
import { hexOf } from "./checksums.ts";

/** A body in a file, which can be read again and again. */
export interface SpooledBody {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly crc: string;
  chunks(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

const PIECE_BYTES = 1024 * 1024;

/** Writes parts of a body to a file without a name in the folder for temporary files. */
export async function spool(parts: AsyncIterable<readonly Uint8Array[]>, key: string): Promise<SpooledBody> {
  const name = path.join(tmpdir(), `kinglet-upload-${randomUUID()}`);
  const action = `keep ${JSON.stringify(key)} in ${name} until it is uploaded`;
  const failed = (error: unknown): never => {
    throw storeFailure(error, action, key);
  };
  const file = await open(name, "wx+", 0o600).catch(failed);
  // Gone with this process, however it ends.
  await rm(name).catch(() => {});
  const sha256 = createHash("sha256");
  let crc = 0;
  let sizeBytes = 0;
  try {
    for await (const chunks of parts) {
      for (const chunk of chunks) {
        sha256.update(chunk);
        crc = crc32(chunk, crc);
        sizeBytes += chunk.byteLength;
        await file.appendFile(chunk).catch(failed);
      }
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    sizeBytes,
    sha256: sha256.digest("hex"),
    crc: hexOf(crc),
    chunks: () => read(file, sizeBytes),
    close: () => file.close(),
  };
}

async function* read(file: FileHandle, sizeBytes: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < sizeBytes; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES, at);
    if (bytesRead === 0) throw new Error("the temporary file became shorter");
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
