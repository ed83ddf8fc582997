import { existsSync } from "node:fs";
import path from "node:path";
import type { SubjectName } from "../subjects/subject.ts";
import type { Variant } from "./benchmark.ts";
import { sampleOf } from "./fresh-process.ts";

const installed = (): boolean =>
  existsSync(path.join(import.meta.dirname, "../peers/node_modules/faastjs/package.json"));

/** A variant that measures one library, with `argument` for the sample besides its name. */
export function variantOf(name: SubjectName, file: string, argument: object): Variant {
  if (name !== "faast.js local")
    return { name, sample: () => sampleOf(file, { subject: name, ...argument }) };
  return {
    name,
    install: "node bench/peers/install.mjs",
    sample: async () => (installed() ? sampleOf(file, { subject: name, ...argument }) : undefined),
  };
}
