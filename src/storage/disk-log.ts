import fs from "node:fs";
import { promisify } from "node:util";
import { sizeOf } from "./bodies.ts";
import type { LogWriter } from "./contract.ts";
import { LOG_MODE, writeAllSync } from "./disk-object.ts";
import { logEnded, storeFailure } from "./failures.ts";

const fdatasync = promisify(fs.fdatasync);

/**
 * The writer of a log: a new file, opened for appending, one `writev` an append. An append that fails after some of
 * its bytes were written ends the log, since readers stop at the torn frame and would never see what came after it.
 *
 * @param onClose called once, when the file is closed
 * @throws the system's EEXIST if the file is there already
 */
export function openDiskLog(key: string, file: string, durable: boolean, onClose: () => void): LogWriter {
  const { O_CREAT, O_EXCL, O_APPEND, O_WRONLY } = fs.constants;
  const fd = fs.openSync(file, O_CREAT | O_EXCL | O_APPEND | O_WRONLY, LOG_MODE);
  let sizeBytes = 0;
  let ended: string | undefined;

  return {
    key,
    get sizeBytes() {
      return sizeBytes;
    },
    append(chunks) {
      if (ended !== undefined) throw logEnded(key, ended);
      try {
        writeAllSync(fd, chunks);
        const offsetBytes = sizeBytes;
        sizeBytes += sizeOf(chunks);
        return { key, offsetBytes };
      } catch (error) {
        const torn = fs.fstatSync(fd).size !== sizeBytes;
        if (torn) ended = "an earlier append was cut in the middle";
        throw storeFailure(error, `append to the log ${JSON.stringify(key)}`, key);
      }
    },
    async sync() {
      if (!durable || ended !== undefined) return;
      try {
        await fdatasync(fd);
      } catch (error) {
        // What the system says it could not write is gone from its cache: a second sync would lie.
        ended = "its bytes could not be made durable";
        throw storeFailure(error, `make the log ${JSON.stringify(key)} durable`, key);
      }
    },
    close() {
      if (ended === "it is closed") return;
      ended = "it is closed";
      fs.closeSync(fd);
      onClose();
    },
  };
}
