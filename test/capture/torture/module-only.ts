// @ts-nocheck
import { table } from "./table.ts";

export const moduleOnly = table("ES modules only");
const { works } = moduleOnly;

const awaited = await Promise.resolve({ v: "awaited" });
works("value of a top-level await", () => awaited.v, [], "awaited");
works("import.meta.url", () => /module-only\.\w+$/.test(import.meta.url.replace(/\?.*/, "")), [], true);
works("import.meta.dirname and resolve", () => [typeof import.meta.dirname, import.meta.resolve("./x.js").slice(-5)], [], ["string", "/x.js"]);
works("top-level `this` in an arrow", () => typeof this, [], "undefined");
