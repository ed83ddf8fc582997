import { fork } from "node:child_process";
import path from "node:path";
import { readWhole, writeWhole } from "./files.ts";
import { arrayOf, bytesOf, type Way } from "./way.ts";

/** What a durable store has to do at the least: a file there and a file back, which stay. */
export function openDisk(folder: string): Way {
  const worker = fork(path.join(import.meta.dirname, "disk-worker.ts"), { execArgv: [] });
  let trips = 0;
  return {
    async trip(array) {
      const number = trips++;
      const [there, back] = [path.join(folder, `there-${number}`), path.join(folder, `back-${number}`)];
      writeWhole(there, bytesOf(array));
      worker.send([there, back]);
      await new Promise((resolve) => worker.once("message", resolve));
      return arrayOf(readWhole(back));
    },
    close: async () => worker.disconnect(),
  };
}
