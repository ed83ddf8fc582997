// @ts-nocheck
import events from "node:events";
import fs, { existsSync } from "node:fs";
import os from "node:os";
import * as pathns from "node:path";
import { promisify } from "node:util";
import * as acornns from "acorn";
import lodash from "lodash";
import { nanoid } from "nanoid";
import sharp from "sharp";
import { z } from "zod";
import { K2, reexp } from "./lib/barrel.ts";
import data from "./lib/data.json" with { type: "json" };
import def, { bump, counter as cnt, K as Klass, make, makeK, named, tag, tagged, untag } from "./lib/dep.ts";
import * as ns from "./lib/dep.ts";
import { table } from "./table.ts";

export const imports = table("imports");
const { works, worksOnce } = imports;

works("default", (x) => def(x), [1], "def1");
works("named (primitive)", () => named + 1, [], 42);
works("aliased", () => cnt, [], 5);
works("shorthand property and template", () => ({ named, text: `${named}` }), [], { named: 41, text: "41" });
works("namespace", (x) => ns.default(x) + ns.named, [2], "def241");
works(
  "class and an instance of it",
  (() => {
    const k = new Klass(4);
    return () => [k.twice(), k instanceof Klass, new Klass(1).twice()];
  })(),
  [],
  [8, true, 2],
);
works("re-exported", () => [reexp, new K2(1).twice(), K2 === Klass], [], [41, 2, true]);
works("JSON", () => data.answer + data.list[1], [], 44);
const made = make();
works("closure made by an imported function", () => [made(), made()], [], [1, 2]);
const fromModule = makeK(3);
works("instance made by an imported function", () => [fromModule.twice(), fromModule instanceof Klass], [], [6, true]);
const labelled = { [tag]: 7 };
works("unique symbol of a module", () => [untag(labelled), labelled[tag], tagged(8)[tag]], [], [7, 7, 8]);
works("node: default, named and namespace", () => [fs.existsSync("/"), existsSync("/nope"), pathns.join("a", "b"), typeof os.cpus], [], [
  true,
  false,
  "a/b",
  "function",
]);
const { readFile } = fs.promises;
const sleep = promisify(setTimeout);
works("fs.promises.readFile captured", async () => typeof (await readFile("/etc/hostname")).length, [], "number");
works(
  "promisify(setTimeout)",
  async () => {
    await sleep(1);
    return "slept";
  },
  [],
  "slept",
);
works("CommonJS package", (x) => lodash.chunk([1, 2, 3], x), [2], [[1, 2], [3]]);
works("ESM package", () => nanoid(5).length, [], 5);
const { sortBy } = lodash;
works("member of a package, destructured", () => sortBy([3, 1, 2]), [], [1, 2, 3]);
const handlers = { a: def, b: lodash.uniq, c: nanoid };
works("imports inside an object", () => [handlers.a(1), handlers.b([1, 1]), handlers.c(3).length], [], ["def1", [1], 3]);
works("package namespace", () => acornns.parse("1+1", { ecmaVersion: 2020 }).type, [], "Program");
works(
  "native add-on (sharp)",
  async () => {
    const image = await sharp({ create: { width: 2, height: 3, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    return (await sharp(image).metadata()).height;
  },
  [],
  3,
);
const curried = lodash.curry((a, b) => a + b);
works("closure made by a package (lodash.curry)", (x) => curried(x)(2), [1], 3);
let factor = 2;
const memo = lodash.memoize((x) => x * factor);
works("closure made by a package (lodash.memoize)", (x) => memo(x), [4], 8);
works("dynamic import(), relative", async () => (await import("./lib/dyn.mjs")).named, [], 41);
works("dynamic import() of a package and a builtin", async () => [(await import("nanoid")).nanoid(4).length, typeof (await import("node:zlib")).gzipSync], [], [
  4,
  "function",
]);
const wasmBytes = fs.readFileSync(pathns.join(process.env.TORTURE_LIB, "add.wasm"));
works("WebAssembly compiled inside", async () => (await WebAssembly.instantiate(wasmBytes)).instance.exports.add(2, 3), [], 5);
const schema = z.object({ a: z.number(), b: z.string().optional() });
works("schema of zod, made again in the worker", () => schema.parse({ a: 1 }), [], { a: 1 });
const makeSchema = () => z.object({ a: z.number() });
works("schema of zod, made in a captured helper", () => makeSchema().parse({ a: 2 }), [], { a: 2 });
works("class of a builtin module", () => new events.EventEmitter().listenerCount("x"), [], 0);
works(
  "a parameter of an import's name is no import",
  ((named) => () => named)("shadow"),
  [],
  "shadow",
);
