import type { Readable } from "node:stream";

/** Undefined at the end of the stream. */
export function readExactly(stream: Readable, sizeBytes: number): Promise<Uint8Array | undefined> {
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
