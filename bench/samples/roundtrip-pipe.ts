import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { bytesOf, measureRoundTrips } from "../lib/round-trips.ts";

// The parent is the driver; this same file with a size is the worker, which echoes messages of that size.
const ECHO = "echo";

if (process.argv[2] === ECHO) {
  const sizeBytes = Number(process.argv[3]);
  for (;;) {
    const bytes = await readExactly(process.stdin, sizeBytes);
    if (!bytes) break;
    process.stdout.write(bytes);
  }
} else {
  const sizeBytes = (JSON.parse(process.argv[2]!) as { sizeMib: number }).sizeMib << 20;
  const worker = spawn(process.execPath, [import.meta.filename, ECHO, String(sizeBytes)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await measureRoundTrips(async (array) => {
    worker.stdin.write(bytesOf(array));
    const bytes = (await readExactly(worker.stdout, sizeBytes))!;
    return new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  });
  worker.stdin.end();
}

/** Undefined at the end of the stream. */
function readExactly(stream: Readable, sizeBytes: number): Promise<Uint8Array | undefined> {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  let done = 0;
  return new Promise((resolve) => {
    const onData = (chunk: Buffer): void => {
      bytes.set(chunk, done);
      done += chunk.length;
      if (done === sizeBytes) finish(bytes);
    };
    const onEnd = (): void => finish(undefined);
    const finish = (result: Uint8Array | undefined): void => {
      stream.off("data", onData).off("end", onEnd).pause();
      resolve(result);
    };
    stream.on("data", onData).on("end", onEnd).resume();
  });
}
