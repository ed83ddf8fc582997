import { spawn } from "node:child_process";
import path from "node:path";
import { readExactly } from "./read-exactly.ts";
import { arrayOf, bytesOf, type Way } from "./way.ts";

/** A pipe there and a pipe back; nothing is kept. */
export function openPipe(sizeBytes: number): Way {
  const script = path.join(import.meta.dirname, "pipe-worker.ts");
  const worker = spawn(process.execPath, [script, String(sizeBytes)], { stdio: ["pipe", "pipe", "inherit"] });
  return {
    async trip(array) {
      worker.stdin.write(bytesOf(array));
      return arrayOf((await readExactly(worker.stdout, sizeBytes))!);
    },
    close: async () => void worker.stdin.end(),
  };
}
