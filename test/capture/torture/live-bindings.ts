// @ts-nocheck
import { bump, counter } from "./lib/dep.ts";
import * as ns from "./lib/dep.ts";
import { table } from "./table.ts";

export const liveBindings = table("live import bindings");

liveBindings.worksOnce(
  "export let is read from the module each time",
  () => {
    const before = counter;
    bump();
    return [before, counter, ns.counter];
  },
  [],
  [5, 6, 6],
);
