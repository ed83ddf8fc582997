/** `kinglet` as programs import it, with pools whose workers don't see this machine's files. */
export * from "../../src/index.ts";
export { openIsolatedPool as openPool } from "./isolated.ts";
