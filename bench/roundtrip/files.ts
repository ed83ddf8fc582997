import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

/** A new file, with as few system calls as it takes. */
export function writeWhole(file: string, bytes: Uint8Array): void {
  const fd = openSync(file, "wx");
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  closeSync(fd);
}

export function readWhole(file: string): Uint8Array {
  const fd = openSync(file, "r");
  const bytes = Buffer.allocUnsafeSlow(fstatSync(fd).size);
  for (let done = 0; done < bytes.length; ) done += readSync(fd, bytes, done, bytes.length - done, null);
  closeSync(fd);
  return bytes;
}
