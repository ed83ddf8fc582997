// The other process of pipe.ts: echoes messages of the size that it is told, each once it is complete.
import { readExactly } from "./read-exactly.ts";

const sizeBytes = Number(process.argv[2]);
for (;;) {
  const bytes = await readExactly(process.stdin, sizeBytes);
  if (!bytes) break;
  process.stdout.write(bytes);
}
