// A process that changes a store and kills itself at its n-th call of the file system, counted once the store is open:
// node crash-writer.ts <root> <n> [torn]. With "torn", a write is cut in its middle first.
import fs from "node:fs";

const [root, n, torn] = process.argv.slice(2);
const killAt = Number(n);
let calls = -1;

type Call = (...args: unknown[]) => unknown;
const functions = fs as unknown as Record<string, Call>;
const WATCHED = [
  ...["openSync", "closeSync", "writevSync", "writev", "linkSync", "unlinkSync", "renameSync"],
  ...["mkdirSync", "rmdirSync", "fsyncSync", "fsync"],
];

for (const name of WATCHED) {
  const call = functions[name]!;
  functions[name] = (...args: unknown[]) => {
    if (calls >= 0 && calls++ === killAt) {
      if (torn && name.startsWith("writev")) {
        const all = Buffer.concat(args[1] as Uint8Array[]);
        fs.writeSync(args[0] as number, all, 0, all.length >> 1);
      }
      process.kill(process.pid, "SIGKILL");
    }
    return call(...args);
  };
}

// Imported after the functions are watched.
const { openDiskStore } = await import("../../src/storage/disk.ts");
const { BIG_BYTES, bodyOf } = await import("./crash-bodies.ts");
const store = openDiskStore(root!);
calls = 0;
await store.put("old/kept", bodyOf(1, 100));
await store.put("old/kept", bodyOf(2, BIG_BYTES));
await store.put("new/created", bodyOf(3, 100), { ifAbsent: true });
await store.put("new/big", bodyOf(4, BIG_BYTES), { ifAbsent: true });
await store.delete(["old/gone"]);
const log = await store.openLog!("logs/log");
await log.append([bodyOf(5, 1000)]);
await log.append([bodyOf(6, 1000)]);
console.log(`survived ${calls} calls`);
