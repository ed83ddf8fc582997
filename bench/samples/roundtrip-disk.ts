import { fork } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import path from "node:path";
import { sampleFolder } from "../lib/fresh-process.ts";
import { bytesOf, measureRoundTrips } from "../lib/round-trips.ts";

// The parent is the driver; this same file with IPC is the worker. The files stay, as a store's do.
const ECHO = "echo";

if (process.argv[2] === ECHO) {
  process.on("message", ([from, to]: [string, string]) => {
    writeWhole(to, readWhole(from));
    process.send!("done");
  });
} else {
  const worker = fork(import.meta.filename, [ECHO]);
  await measureRoundTrips(async (array, index) => {
    const [there, back] = ["there", "back"].map((name) => path.join(sampleFolder(), `${name}-${index}`));
    writeWhole(there!, bytesOf(array));
    worker.send([there, back]);
    await new Promise((resolve) => worker.once("message", resolve));
    const bytes = readWhole(back!);
    return new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  });
  worker.disconnect();
}

function writeWhole(file: string, bytes: Uint8Array): void {
  const fd = openSync(file, "wx");
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  closeSync(fd);
}

function readWhole(file: string): Uint8Array {
  const fd = openSync(file, "r");
  const bytes = Buffer.allocUnsafeSlow(fstatSync(fd).size);
  for (let done = 0; done < bytes.length; ) done += readSync(fd, bytes, done, bytes.length - done, null);
  closeSync(fd);
  return bytes;
}
