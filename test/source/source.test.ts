import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { exportedAny } from "./exported-any.ts";
import { readSources, type SourceGraph, sourceGraph } from "./graph.ts";
import {
  type Backend,
  backendsNamedElsewhere,
  deadFiles,
  filesWithoutLayer,
  importCycles,
  type Layers,
  longFiles,
  upwardImports,
} from "./rules.ts";

const SOURCE = path.resolve(import.meta.dirname, "../../src");

/** Design §3, from the lowest layer to the highest. */
const LAYERS: Layers = [
  [
    "errors.ts",
    "clock.ts",
    "few-map.ts",
    "harmless-text.ts",
    "version.ts",
    "compile-cache.ts",
    "built-scripts.ts",
    "lazy-promise.ts",
    "options.ts",
    "future.ts",
    "job.ts",
  ],
  ["aws/"],
  ["storage/", "codec/", "maybe.ts"],
  ["job/"],
  ["compute/contract.ts", "cost/"],
  ["capture/", "values/", "slices/"],
  ["bundle/"],
  ["scheduler/", "worker/"],
  ["compute/"],
  ["observers.ts"],
  ["pool.ts", "pool/", "config.ts"],
  ["observe/"],
  ["open-early.ts"],
  ["index.ts"],
  ["dataflow/"],
  ["cli/"],
];

/** What tsdown.config.ts builds, and what it starts from. */
const ENTRIES = [
  "index.ts",
  "open-early.ts",
  "dataflow/index.ts",
  "dataflow/tasks.ts",
  "compute/local/worker-main.ts",
  "compute/local/worker-built.ts",
  "compute/lambda/handler.ts",
  "cli/main.ts",
  "observe/preload.ts",
];

/** Concrete backends, and who may name them: everyone else knows the contracts. */
const BACKENDS: readonly Backend[] = [
  { files: /^storage\/(disk|memory)\.ts$/, namedBy: ["storage/locate.ts"] },
  { files: /^storage\/s3\//, namedBy: ["storage/locate.ts"] },
  { files: /^storage\/redis\//, namedBy: ["storage/locate.ts"] },
  {
    files: /^compute\/local\//,
    // A supervisor is a small machine with one local worker, and says what happens in the same frames.
    namedBy: [
      "pool.ts",
      "pool/backend.ts",
      "open-early.ts",
      "compute/lambda/environment.ts",
      "compute/lambda/handler.ts",
      "compute/relay/guest.ts",
      "compute/relay/relayed-attempt.ts",
      "compute/relay/relayed-run.ts",
      "compute/relay/supervisor.ts",
    ],
  },
  {
    files: /^compute\/lambda\//,
    namedBy: [
      "pool/backend.ts",
      // Commands for a cloud are about that one.
      ...["check", "deploy", "destroy", "policy", "status", "target"].map((name) => `cli/aws/${name}.ts`),
    ],
  },
];

/** Contracts' parts that only tests and later backends use. */
const WITHOUT_USER = {
  "storage/memory.ts": "the store of tests and of the simulation",
  "storage/kv/memory.ts": "the key-value contract in its plainest form, for tests",
  "storage/layers/": "go around stores that can fail for a while: S3, and the simulation's",
};

const MAX_LINES = 330;
/** They may shrink, not grow. */
const LONG_FILES: Record<string, { lines: number; why: string }> = {
  "capture/analyze.ts": { lines: 400, why: "one walk over every kind of syntax node" },
  "capture/inspector.ts": { lines: 345, why: "one session with V8's inspector, and all that it is asked" },
  "codec/graph/writer.ts": { lines: 440, why: "one writer over every kind of value" },
};

describe("the source of the package", () => {
  const graph = sourceGraph(readSources(SOURCE));

  it("has every file that it imports", () => {
    expect(graph.missing).toEqual([]);
  });

  it("has no import cycle", () => {
    expect(importCycles(graph)).toEqual([]);
  });

  it("has a layer for every file, and imports only downward", () => {
    expect(filesWithoutLayer(graph, LAYERS)).toEqual([]);
    expect(upwardImports(graph, LAYERS)).toEqual([]);
  });

  it("has no dead file", () => {
    expect(ENTRIES.filter((entry) => !graph.files.has(entry))).toEqual([]);
    const excused = (file: string) => Object.keys(WITHOUT_USER).some((path) => file.startsWith(path));
    expect(deadFiles(graph, ENTRIES).filter((file) => !excused(file))).toEqual([]);
  });

  it("builds dataflow on what users have too: the public API, its errors and the rules of its options", () => {
    const outside = graph.edges.filter(
      ({ from, to }) => from.startsWith("dataflow/") && !to.startsWith("dataflow/"),
    );
    expect([...new Set(outside.map(({ to }) => to))].sort()).toEqual(["errors.ts", "index.ts", "options.ts"]);
    expect(
      graph.edges.filter(({ from, to }) => to.startsWith("dataflow/") && !/^(dataflow|cli)\//.test(from)),
    ).toEqual([]);
  });

  it("names concrete backends only where they are chosen", () => {
    expect(backendsNamedElsewhere(graph, BACKENDS)).toEqual([]);
  });

  it(`has files of ${MAX_LINES} lines at most, but for those that know why not`, () => {
    expect(longFiles(graph, MAX_LINES, LONG_FILES)).toEqual([]);
    expect(Object.keys(LONG_FILES).filter((file) => !graph.files.has(file))).toEqual([]);
  });

  it("shows no `any` in its public types", () => {
    expect(
      exportedAny([path.join(SOURCE, "index.ts"), path.join(SOURCE, "dataflow/index.ts")], SOURCE),
    ).toEqual([]);
  });
});

/** A small source tree with one thing wrong: what each rule must notice. */
describe("the rules themselves", () => {
  const layers: Layers = [["errors.ts"], ["job/"], ["index.ts"]];
  const healthy = {
    "errors.ts": "export class Oops extends Error {}",
    "job/log.ts": 'import { Oops } from "../errors.ts";\nexport const log = () => new Oops();',
    "index.ts": 'export { log } from "./job/log.ts";',
  };
  const graphOf = (files: Record<string, string>): SourceGraph =>
    sourceGraph(new Map(Object.entries({ ...healthy, ...files })));

  it("find nothing in a healthy tree", () => {
    const graph = graphOf({});
    expect(graph.edges).toHaveLength(2);
    expect(importCycles(graph)).toEqual([]);
    expect(upwardImports(graph, layers)).toEqual([]);
    expect(deadFiles(graph, ["index.ts"])).toEqual([]);
    expect(longFiles(graph, 3, {})).toEqual([]);
  });

  it.each([
    ["a direct cycle", { "job/a.ts": 'import "./b.ts";', "job/b.ts": 'import "./a.ts";' }],
    [
      "a cycle over a re-export",
      { "job/a.ts": 'export * from "./b.ts";', "job/b.ts": 'import { a } from "./a.ts";' },
    ],
    [
      "a cycle over a lazy import",
      { "job/a.ts": 'await import("./b.ts");', "job/b.ts": 'import a from "./a.ts";' },
    ],
  ])("find %s", (_what, files) => {
    expect(importCycles(graphOf(files))).toEqual([["job/a.ts", "job/b.ts", "job/a.ts"]]);
  });

  it("allow a cycle of types", () => {
    const files = {
      "job/a.ts": 'import type { B } from "./b.ts";\nimport { type C } from "./b.ts";\nexport const a = 1;',
      "job/b.ts": 'import { a } from "./a.ts";',
    };
    expect(importCycles(graphOf(files))).toEqual([]);
  });

  it.each([
    ["a value", 'import { log } from "./job/log.ts";'],
    ["a type", 'import type { log } from "./job/log.ts";'],
    ["a type in place", 'export type L = import("./job/log.ts").log;'],
    ["a worker's file", 'new URL("./job/log.ts", import.meta.url);'],
    ["a resolved file", 'import.meta.resolve("./job/log.ts");'],
  ])("find an upward import of %s", (_what, text) => {
    expect(upwardImports(graphOf({ "errors.ts": text }), layers)).toEqual(["errors.ts imports job/log.ts"]);
  });

  it("find who names a concrete backend", () => {
    const backends = [{ files: /^job\/log\.ts$/, namedBy: ["index.ts"] }];
    expect(backendsNamedElsewhere(graphOf({}), backends)).toEqual([]);
    const graph = graphOf({
      "job/spec.ts": 'import "./log.ts";',
      "errors.ts": 'import type { log } from "./job/log.ts";',
    });
    expect(backendsNamedElsewhere(graph, backends)).toEqual([
      "errors.ts imports job/log.ts",
      "job/spec.ts imports job/log.ts",
    ]);
  });

  it("find a file that nothing imports, and one that only a dead file imports", () => {
    const files = { "job/dead.ts": 'import "./deader.ts";', "job/deader.ts": "" };
    expect(deadFiles(graphOf(files), ["index.ts"])).toEqual(["job/dead.ts", "job/deader.ts"]);
  });

  it("find a file without a layer, a missing file and a long file", () => {
    const graph = graphOf({ "new/thing.ts": `import "./gone.ts";\n\n\n${"//\n".repeat(3)}` });
    expect(filesWithoutLayer(graph, layers)).toEqual(["new/thing.ts"]);
    expect(graph.missing).toEqual([{ from: "new/thing.ts", specifier: "./gone.ts" }]);
    expect(longFiles(graph, 5, {})).toEqual(["new/thing.ts has 6 lines"]);
    expect(longFiles(graph, 5, { "new/thing.ts": { lines: 6, why: "a table" } })).toEqual([]);
  });

  it("don't take a comment or a string for an import", () => {
    const graph = graphOf({
      "errors.ts": '// import "./job/log.ts";\nexport const s = `import "./job/log.ts"`;',
    });
    expect(upwardImports(graph, layers)).toEqual([]);
  });

  it("find `any` written, inferred, and in a type that is only mentioned", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "kinglet-any-"));
    try {
      writeFileSync(
        path.join(folder, "index.ts"),
        'export { read, type Row } from "./read.ts";\nconst hidden: any = 1;',
      );
      writeFileSync(
        path.join(folder, "read.ts"),
        [
          'import type { Cell } from "./cell.ts";',
          "export interface Row { cell: Cell }",
          "export const read = (text: string) => JSON.parse(text);",
          "export const fine = (text: string): unknown => JSON.parse(text);",
        ].join("\n"),
      );
      writeFileSync(path.join(folder, "cell.ts"), "export interface Cell { value: any }");
      writeFileSync(path.join(folder, "other.ts"), "export const other: any = 1;");
      expect(exportedAny([path.join(folder, "index.ts")], folder)).toEqual([
        "read.ts: export declare const read: (text: string) => any;",
        "cell.ts: value: any;",
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
