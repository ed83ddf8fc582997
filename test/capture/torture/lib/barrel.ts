// @ts-nocheck
export { K as K2, named as reexp } from "./dep.ts";
export * from "./dep.ts";
