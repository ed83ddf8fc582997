import { createRequire } from "node:module";

/** Version of this package, from its package.json (one folder up from src/ and from dist/ alike). */
export const version: string = (createRequire(import.meta.url)("../package.json") as { version: string })
  .version;
