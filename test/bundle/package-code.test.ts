import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { packCode, unpackCode } from "../../src/job/code-package.ts";
import { importsFrom, packageOf, project, THIS_MACHINE } from "./projects.ts";

const names = (found: { code: { modules: readonly { name: string }[] } }) =>
  found.code.modules.map(({ name }) => name);

test("the same code gives the same package wherever it lies, without a path of its machine", async () => {
  const files = {
    "main.ts": "",
    "lib/a.ts":
      'import { b } from "./b.ts";\nimport data from "../data.json" with { type: "json" };\nexport const a = [b, data] as const;',
    "lib/b.ts": "export const b: number = 1;",
    "data.json": '{"x":1}',
    "node_modules/dep/package.json": '{"name":"dep","version":"1.0.0","main":"index.js"}',
    "node_modules/dep/index.js": "exports.dep = require('./inner').inner;",
    "node_modules/dep/inner.js": "exports.inner = 2;",
  };
  const [one, other] = [project(files), project(files)];
  const wanted = ["./lib/a.ts", "dep"];
  const built = await packageOf(one, wanted);
  const packed = packCode(built.code);
  expect(packCode((await packageOf(other, [...wanted].reverse())).code).hash).toBe(packed.hash);
  expect(JSON.stringify(built.code)).not.toContain(one);
  expect(built.rootUrl).toMatch(/^file:\/\/\/.*\/$/);
  expect(names(built)).toEqual([
    "data.json",
    "lib/a.ts",
    "lib/b.ts",
    "node_modules/dep/index.js",
    "node_modules/dep/inner.js",
  ]);
  expect(unpackCode(packed.bytes, packed.hash)).toEqual(built.code);
});

test("other code gives another package", async () => {
  const hashes = new Set<string>();
  for (const value of [1, 2]) {
    const folder = project({ "a.ts": `export const a = ${value};` });
    hashes.add(packCode((await packageOf(folder, ["./a.ts"])).code).hash);
  }
  expect(hashes.size).toBe(2);
});

test("TypeScript keeps its lines and columns; what can't be stripped is compiled with a map", async () => {
  const folder = project({
    "plain.ts": "export const f = (x: number): number => x;",
    "enum.ts": "export enum Color { Red }",
  });
  const { code } = await packageOf(folder, ["./plain.ts", "./enum.ts"]);
  const [compiled, stripped] = code.modules;
  expect(stripped).toMatchObject({ name: "plain.ts", format: "module" });
  expect(stripped!.source).toBe("export const f = (x        )         => x;");
  expect(compiled).toMatchObject({ name: "enum.ts", mapped: true });
  expect(compiled!.source).toContain("sourceMappingURL=data:application/json");
});

test("paths of a tsconfig, imports of a package.json and conditions lead where they lead here", async () => {
  const folder = project({
    "package.json": '{"type":"module","imports":{"#inner":"./lib/inner.ts"}}',
    "tsconfig.json": '{"compilerOptions":{"paths":{"@lib/*":["./lib/*"]}}}',
    "lib/inner.ts": "export const inner = 1;",
    "lib/far.ts": "export const far = 2;",
    "node_modules/dual/package.json":
      '{"name":"dual","exports":{".":{"bundler":"./no.js","module":"./no.js","import":"./yes.mjs","require":"./yes.cjs"}}}',
    "node_modules/dual/yes.mjs": "export const way = 'import';",
    "node_modules/dual/yes.cjs": "exports.way = 'require';",
  });
  const { code } = await packageOf(folder, ["#inner", "@lib/far.ts", "dual"]);
  expect(code.importers).toEqual({
    "main.ts": {
      "import #inner": "lib/inner.ts",
      "import @lib/far.ts": "lib/far.ts",
      "import dual": "node_modules/dual/yes.mjs",
    },
  });
});

test("what createRequire requires travels, and what a pattern may import", async () => {
  const folder = project({
    "a.ts":
      'import { createRequire } from "node:module";\nconst load = createRequire(import.meta.url);\nexport const dep = load("dep");\nexport const plugin = (name: string) => import("./plugins/" + name + ".ts");',
    "plugins/one.ts": "export default 1;",
    "plugins/two.ts": "export default 2;",
    "node_modules/dep/package.json": '{"name":"dep"}',
    "node_modules/dep/index.js": "module.exports = 3;",
  });
  expect(names(await packageOf(folder, ["./a.ts"]))).toEqual([
    "a.ts",
    "node_modules/dep/index.js",
    "plugins/one.ts",
    "plugins/two.ts",
  ]);
});

test("an optional dependency that isn't there, and a pattern that nothing matches, don't stand in the way", async () => {
  const folder = project({
    "node_modules/dep/package.json": '{"name":"dep"}',
    "node_modules/dep/index.js":
      "exports.any = () => require('not-installed'); exports.some = (n) => require('./nothing-' + n + '.js');",
  });
  expect(names(await packageOf(folder, ["dep"]))).toEqual(["node_modules/dep/index.js"]);
});

test.each([
  [
    "a package",
    "not-installed",
    /imports "not-installed", which can't be found from .*main\.ts\n.*npm install not-installed/,
  ],
  [
    "a file",
    "./gone.ts",
    /imports "\.\/gone\.ts", which can't be found from .*main\.ts\n.*Is the file still there\?/,
  ],
])("%s that isn't there is an error that names it and who imports it", async (_what, specifier, message) => {
  await expect(packageOf(project({}), [specifier])).rejects.toThrow(message);
});

test("what only a call inside the function imports may be missing", async () => {
  const folder = project({ "a.ts": "export {};" });
  const imports = importsFrom(folder, ["./a.ts"], ["not-installed"]);
  expect(names(await packageOf(folder, [], { imports }))).toEqual(["a.ts"]);
});

test("packages that look for files of their own travel whole, with what they depend on, and nothing else of theirs", async () => {
  const folder = project({
    "node_modules/reads/package.json": '{"name":"reads","version":"1.2.3","dependencies":{"dep":"*"}}',
    "node_modules/reads/index.js":
      "require('dep'); module.exports = require('fs').readFileSync(__dirname + '/table.bin');",
    "node_modules/reads/table.bin": "…",
    "node_modules/reads/README.md": "…",
    "node_modules/dep/package.json": '{"name":"dep","version":"2.0.0"}',
    "node_modules/dep/index.js": "",
    "node_modules/other/package.json": '{"name":"other","version":"3.0.0"}',
    "node_modules/other/index.js": "",
  });
  const built = await packageOf(folder, ["reads", "other"]);
  expect(built.code.archives.map(({ at, what }) => [at, what])).toEqual([
    ["node_modules/dep", "dep@2.0.0"],
    ["node_modules/reads", "reads@1.2.3"],
  ]);
  expect(
    built.archives.find(({ hash }) => hash === built.code.archives[1]!.hash)?.entries.map(({ name }) => name),
  ).toEqual(["index.js", "package.json", "table.bin"]);
  expect(names(built)).toEqual(["node_modules/other/index.js"]);
});

test("machine code for other platforms stays here", async () => {
  const folder = project({
    "node_modules/native/package.json":
      '{"name":"native","version":"1.0.0","optionalDependencies":{"@native/linux-x64":"1","@native/linux-arm64":"1","@native/linuxmusl-x64":"1"}}',
    "node_modules/native/index.js": "",
    ...Object.fromEntries(
      ["linux-x64", "linux-arm64", "linuxmusl-x64"].flatMap((name) => [
        [
          `node_modules/@native/${name}/package.json`,
          JSON.stringify({
            name: `@native/${name}`,
            version: "1.0.0",
            os: ["linux"],
            cpu: [name.split("-")[1]],
            libc: [name.includes("musl") ? "musl" : "glibc"],
          }),
        ],
        [`node_modules/@native/${name}/native.node`, "…"],
      ]),
    ),
  });
  const { code } = await packageOf(folder, ["native"]);
  expect(code.archives.map(({ at }) => at)).toEqual([
    `node_modules/@native/linux-${THIS_MACHINE.arch}`,
    "node_modules/native",
  ]);
});

test("options packages and files", async () => {
  const folder = project({
    "data/a.txt": "a",
    "data/notes.md": "kept: it was asked for",
    "plugins/p.js": "export default 1;",
    "node_modules/dep/package.json": '{"name":"dep","version":"2.0.0"}',
    "node_modules/dep/index.js": "",
  });
  const options = { packages: ["dep"], files: ["data", "plugins/p.js"] };
  const built = await packageOf(folder, [], options);
  expect(built.code).toMatchObject({ workingFolder: "", modules: [] });
  expect(built.code.archives.map(({ at, what }) => [at, what])).toEqual([
    ["", "3 files"],
    ["node_modules/dep", "dep@2.0.0"],
  ]);
  const files = built.archives.find(({ hash }) => hash === built.code.archives[0]!.hash)!;
  expect(files.entries.map(({ name }) => name)).toEqual([
    "data/a.txt",
    "data/notes.md",
    "package.json",
    "plugins/p.js",
  ]);
  await expect(packageOf(folder, [], { packages: ["nope"] })).rejects.toThrow(
    /option packages names "nope", which isn't installed/,
  );
  await expect(packageOf(folder, [], { files: ["nope.txt"] })).rejects.toThrow(
    /option files names "nope\.txt", which isn't there/,
  );
});

test("a package of a workspace is found under its name as well", async () => {
  const folder = project({
    "packages/mine/package.json": '{"name":"mine","version":"0.0.1","type":"module"}',
    "packages/mine/index.js": "export const mine = 1;",
  });
  fs.mkdirSync(path.join(folder, "node_modules"));
  fs.symlinkSync("../packages/mine", path.join(folder, "node_modules/mine"));
  expect(names(await packageOf(folder, ["mine"]))).toEqual(["packages/mine/index.js"]);
  const { code } = await packageOf(folder, [], { packages: ["mine"] });
  expect(code.links).toEqual({ "node_modules/mine": "packages/mine" });
});

test("damaged bytes, and those of a newer Kinglet, are refused", () => {
  const code = { format: 1, workingFolder: "", modules: [], importers: {}, archives: [], links: {} } as const;
  const { hash, bytes } = packCode(code);
  expect(() => unpackCode(bytes, "0".repeat(64))).toThrow(/is damaged: its text has the hash/);
  expect(() => unpackCode(bytes.subarray(0, 40), hash)).toThrow(/is damaged/);
  const newer = Buffer.from(
    Buffer.from(bytes).toString("latin1").replace('"format":1', '"format":2'),
    "latin1",
  );
  expect(() => unpackCode(newer, hash)).toThrow(/has format 2; this Kinglet reads 1/);
});
