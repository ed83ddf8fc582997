import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type UserConfig } from "tsdown";
import { writeWorkerZip } from "./scripts/pack-worker.ts";
import { scriptChunks } from "./scripts/script-chunks.ts";

const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };

/**
 * `import fs from "node:fs"` runs all lazy getters of the module, which loads streams, WebCrypto and more:
 * a third of the time that a process takes to load Kinglet. `process.getBuiltinModule` doesn't.
 */
const quickBuiltins = {
  name: "quick-builtins",
  renderChunk(code: string, chunk: { fileName: string }): { code: string } | null {
    if (!/\.m?js$/.test(chunk.fileName)) return null;
    // Packages that workers elsewhere have inside import as they like.
    const isStrict = chunk.fileName.endsWith(".js");
    return {
      code: code
        .replace(/^import (.+) from "(node:[^"]+)";$/gm, (_, names, name) => taken(names, name, isStrict))
        // Reading package.json takes a millisecond.
        .replace('createRequire(import.meta.url)("../package.json").version', JSON.stringify(version)),
    };
  },
};

/** They take 1 to 4 ms to load each, and many a process never calls them before its first result. */
const LOADED_AT_FIRST_CALL = /^node:(?:crypto|zlib|child_process|fs\/promises|readline)$/;

/** `fs, { existsSync as exists }` or `* as types`, taken from a builtin module, on one line as it was. */
function taken(names: string, module: string, isStrict: boolean): string {
  const builtin = `process.getBuiltinModule("${module}")`;
  const isLate = LOADED_AT_FIRST_CALL.test(module) && (isStrict || names.startsWith("{"));
  if (isLate) return loadedAtFirstCall(names, builtin);
  const whole = /^(?:\* as )?([\w$]+)/.exec(names)?.[1];
  const parts = /\{(.+)\}/.exec(names)?.[1];
  const named = parts && `const {${parts.replaceAll(/(\S+) as (\S+)/g, "$1: $2")}} = ${whole ?? builtin};`;
  return [whole && `const ${whole} = ${builtin};`, named].filter(Boolean).join(" ");
}

/** `let f = (...args) => (f = module.f)(...args);` for each name: all of them are functions. */
function loadedAtFirstCall(names: string, builtin: string): string {
  const parts = /^\{(.+)\}$/.exec(names)?.[1]?.split(",");
  if (!parts)
    throw new Error(`import ${names}: import functions by name, so that they load at their first call`);
  return parts
    .map((part) => part.trim().split(" as "))
    .map(([name, as = name]) => `let ${as} = (...args) => (${as} = ${builtin}.${name})(...args);`)
    .join(" ");
}

/** The package opens pools by `open-early.ts`, which loads the rest of Kinglet while the first worker boots. */
const openEarly = {
  name: "open-early",
  resolveId(id: string, importer?: string): string | undefined {
    const isOpenPool = id === "./pool.ts" && importer?.endsWith("/src/index.ts");
    return isOpenPool ? fileURLToPath(new URL("src/open-early.ts", import.meta.url)) : undefined;
  },
};

/** The driver's parser is in the chunk that it loads anyway: as a file of its own it takes 2 ms more to find and read. */
const parserInside = {
  name: "parser-inside",
  transform(code: string, id: string): { code: string } | undefined {
    if (!id.endsWith("/src/capture/syntax.ts")) return undefined;
    return { code: code.replace('createRequire(import.meta.url)("acorn")', 'require("acorn")') };
  },
};

/** Some packages say what their licence is, without its text. */
function licenceLineOf(folder: string): string {
  const about = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  if (typeof about.license !== "string") throw new Error(`${folder} says of no licence`);
  return `${about.name} ${about.version}: ${about.license}\n`;
}

/** Libraries that are inside want their licences to be in every copy: `<package>.LICENSE` beside it. */
const licences = {
  name: "licences",
  generateBundle(
    this: { emitFile(file: object): void },
    _options: object,
    bundle: Record<string, { readonly moduleIds?: readonly string[] }>,
  ): void {
    const modules = Object.values(bundle).flatMap(({ moduleIds = [] }) => moduleIds);
    const folders = modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id) ?? []);
    for (const folder of new Set(folders)) {
      const name = folder.slice(folder.lastIndexOf("/node_modules/") + "/node_modules/".length);
      const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.(md|txt))?$/i.test(entry));
      const source = file ? readFileSync(path.join(folder, file), "utf8") : licenceLineOf(folder);
      this.emitFile({ type: "asset", fileName: `${name.replace("/", "-")}.LICENSE`, source });
    }
  },
};

type ModuleInfo = (id: string) => { readonly importedIds: readonly string[] } | null;

/**
 * A chunk of all that the source `start` loads at once: each file costs a process some 0.4 ms to find and to link, and
 * otherwise there is one for each set of modules that some later `import()` shares.
 */
function together(name: string, start: string, priority: number) {
  const first = fileURLToPath(new URL(start, import.meta.url));
  let files: Set<string> | undefined;
  return {
    priority,
    name: (id: string, chunks: { getModuleInfo: ModuleInfo }) => {
      files ??= reachedFrom(first, (file) => chunks.getModuleInfo(file));
      return files.has(id) ? name : undefined;
    },
  };
}

function reachedFrom(first: string, infoOf: ModuleInfo): Set<string> {
  const reached = new Set([first]);
  for (const id of reached) for (const next of infoOf(id)?.importedIds ?? []) reached.add(next);
  return reached;
}

const shared = {
  plugins: [quickBuiltins],
  format: "esm",
  platform: "node",
  target: "node22.18",
  sourcemap: true,
  clean: false,
  fixedExtension: false,
} satisfies UserConfig;

const WHOLE = /^(?:base|main|built-scripts|worker-scripts|worker-code|rolldown-runtime)$/;

const output = {
  // A fifth less. Lines stay: Node prints the one that threw, and a minified file is a single one.
  comments: false,
  minifyInternalExports: false,
  // Scripts load each other by name.
  chunkFileNames: ({ name }: { name: string }) => (WHOLE.test(name) ? "[name].js" : "[name]-[hash].js"),
} as const;

export default defineConfig([
  {
    ...shared,
    plugins: [
      openEarly,
      quickBuiltins,
      parserInside,
      licences,
      scriptChunks(["base", "main", "rolldown-runtime"], "built-scripts"),
    ],
    deps: { alwaysBundle: ["acorn"] },
    entry: {
      index: "src/index.ts",
      pool: "src/pool.ts",
      dataflow: "src/dataflow/index.ts",
      // An entry of its own, so that workers import it and not what the driver needs.
      "dataflow-tasks": "src/dataflow/tasks.ts",
      cli: "src/cli/main.ts",
      observe: "src/observe/preload.ts",
    },
    outputOptions: {
      ...output,
      codeSplitting: {
        groups: [
          together("built-scripts", "src/built-scripts.ts", 3),
          together("base", "src/index.ts", 2),
          together("main", "src/pool.ts", 1),
        ],
      },
    },
    dts: { sourcemap: false },
    clean: true,
  },
  // Shares no code with the others, so that a worker process loads only what it needs: it is to start fast.
  {
    ...shared,
    plugins: [quickBuiltins, scriptChunks(["worker-code"], "worker-scripts")],
    entry: {
      worker: "src/compute/local/worker-built.ts",
      "worker-parts": "src/compute/local/worker.ts",
    },
    outputOptions: {
      ...output,
      codeSplitting: {
        groups: [
          together("worker-scripts", "src/built-scripts.ts", 2),
          together("worker-code", "src/compute/local/worker.ts", 1),
        ],
      },
    },
    dts: false,
  },
  // The worker function of AWS Lambda, with all that it needs but what only drivers and other stores use.
  {
    ...shared,
    plugins: [quickBuiltins, parserInside, licences],
    deps: {
      alwaysBundle: [/^(?!node:|@aws-sdk\/|ioredis)/],
      onlyBundle: false,
    },
    entry: {
      handler: "src/compute/lambda/handler.ts",
      worker: "src/compute/local/worker-main.ts",
    },
    outDir: "dist/lambda",
    hooks: { "build:done": () => writeWorkerZip("dist", "dist/lambda", "handler.handler") },
    outExtensions: () => ({ js: ".mjs" }),
    sourcemap: false,
    minify: true,
    dts: false,
  },
]);
