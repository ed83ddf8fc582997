// A process that writes or reads the table of values: node exchange.ts write|read <folder>
import fs from "node:fs";
import path from "node:path";
import { join } from "../../src/storage/bodies.ts";
import { differenceOf } from "./same.ts";
import { plainCodec } from "./test-lane.ts";
import { BINARY_VALUES, PLAIN_VALUES } from "./values.ts";

const [action, folder] = process.argv.slice(2) as [string, string];
const codec = plainCodec();
const VALUES = [...PLAIN_VALUES, ...BINARY_VALUES].filter(([what]) => what !== "a huge bigint");
const fileOf = (what: string): string => path.join(folder, encodeURIComponent(what));

if (action === "write") {
  fs.mkdirSync(folder);
  for (const [what, , make] of VALUES) fs.writeFileSync(fileOf(what), join(codec.encode(make(), what)));
} else {
  let same = 0;
  const unreadable = new Set<string>();
  const different: string[] = [];
  const makers = new Map(VALUES.map(([what, , make]) => [what, make]));
  for (const name of fs.readdirSync(folder)) {
    const what = decodeURIComponent(name);
    try {
      const value = codec.decode(new Uint8Array(fs.readFileSync(path.join(folder, name))));
      const difference = differenceOf(value, makers.get(what)!());
      if (difference === undefined) same += 1;
      else different.push(`${what}: ${difference}`);
    } catch (error) {
      unreadable.add(`${what.split(" ")[0]} ${(error as { code?: string }).code ?? error}`);
    }
  }
  console.log([`same: ${same}`, ["unreadable:", ...unreadable].join(" "), ...different].join("\n"));
}
