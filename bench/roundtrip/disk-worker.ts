// The other process of disk.ts: reads a file and writes another.
import { readWhole, writeWhole } from "./files.ts";

process.on("message", ([from, to]: [string, string]) => {
  writeWhole(to, readWhole(from));
  process.send!("done");
});
