/**
 * The worker side of the capture tests: a process of its own, kept warm. Run by `startWorker` of worker.ts; takes
 * `{ id, bytes, calls: [args…] }` by IPC and calls a fresh instance of the function for each of them.
 */

import { restoreFunction } from "../../src/capture/restore.ts";
import { createCodec } from "../../src/codec/codec.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { CodeLoader } from "../../src/worker/code.ts";
import type { Answer, Request } from "./worker.ts";

process.on("message", (request: Request) => {
  void answer(request).then((reply) => process.send!(reply));
});

let loader: CodeLoader | undefined;

async function answer({ id, bytes, calls, code }: Request): Promise<Answer> {
  try {
    if (code) {
      loader ??= new CodeLoader(openDiskStore(code.storeRoot));
      await loader.use(code.reference);
    }
    const restored = await restoreFunction(bytes);
    const outcomes: Answer["outcomes"] = [];
    for (const args of calls) {
      const { call, scope } = restored.instance();
      const codec = createCodec(scope);
      try {
        const given = await Promise.all(args.map((arg) => codec.decode(arg)));
        const value = await call(...given);
        outcomes.push({ ok: true, bytes: Buffer.concat(codec.encode(value, "result")) });
      } catch (error) {
        outcomes.push({ ok: false, bytes: Buffer.concat(codec.encode(error, "error")) });
      }
    }
    return { id, outcomes };
  } catch (error) {
    return {
      id,
      outcomes: [],
      failed: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}
