import { spawn } from "node:child_process";
import fs from "node:fs";
import module from "node:module";
import os from "node:os";
import path from "node:path";
import { type CaseResult, MARK } from "./run-cases.ts";

const TORTURE = path.join(import.meta.dirname, "torture");
const REPOSITORY = path.resolve(import.meta.dirname, "../..");

/** A module system, and how a program in it is run. */
export interface Form {
  readonly name: string;
  readonly type: "module" | "commonjs";
  readonly extension: ".mjs" | ".cjs" | ".ts";
  readonly execArgv: readonly string[];
  /** Torture files that only make sense, or can't be had, in it. */
  readonly features: readonly string[];
}

const COMMON = [
  "lanes",
  "thrown",
  "functions",
  "variables",
  "values",
  "classes",
  "imports",
  "this",
  "errors",
];

export const forms: readonly Form[] = [
  {
    name: "ES modules",
    type: "module",
    extension: ".mjs",
    execArgv: [],
    features: [...COMMON, "live-bindings", "module-only"],
  },
  {
    name: "CommonJS",
    type: "commonjs",
    extension: ".cjs",
    execArgv: [],
    features: [...COMMON, "commonjs-only"],
  },
  {
    name: "TypeScript, types stripped",
    type: "module",
    extension: ".ts",
    execArgv: [],
    features: [...COMMON, "live-bindings", "module-only", "typescript"],
  },
  {
    name: "tsx, ES modules",
    type: "module",
    extension: ".ts",
    execArgv: ["--import", "tsx"],
    features: [...COMMON, "live-bindings", "module-only", "typescript", "transforms", "decorators"],
  },
  {
    name: "tsx, CommonJS",
    type: "commonjs",
    extension: ".ts",
    execArgv: ["--import", "tsx"],
    features: [...COMMON, "typescript", "transforms"],
  },
];

/** Writes the torture files in a form to a folder of their own, from where packages can be found. */
export function writeForm(form: Form): string {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "kinglet-forms-"));
  fs.symlinkSync(path.join(REPOSITORY, "node_modules"), path.join(folder, "node_modules"));
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ type: form.type }));
  fs.mkdirSync(path.join(folder, "lib"));
  for (const file of ["lib/data.json", "lib/add.wasm", "lib/dyn.mjs"])
    fs.copyFileSync(path.join(TORTURE, file), path.join(folder, file));
  for (const name of ["table", "lib/dep", "lib/barrel", "lib/types"]) writeFile(form, folder, name);

  for (const name of form.features) writeFile(form, folder, name);
  return folder;
}

function writeFile(form: Form, folder: string, name: string): void {
  const special = path.join(TORTURE, `${name}${form.extension}`);
  const target = path.join(folder, `${name}${form.extension}`);
  if (form.extension !== ".ts" && fs.existsSync(special)) {
    fs.copyFileSync(special, target);
    return;
  }
  const source = read(`${name}.ts`);
  const text =
    form.extension === ".ts"
      ? source
      : strip(source).replaceAll(/(["']\.[^"']*)\.ts(["'])/g, `$1${form.extension}$2`);
  fs.writeFileSync(target, form.extension === ".cjs" ? toCommonjs(text) : text);
}

const read = (file: string): string => fs.readFileSync(path.join(TORTURE, file), "utf8");

function strip(source: string): string {
  return module.stripTypeScriptTypes(source);
}

/** Import and export statements as someone writes them by hand in CommonJS. */
function toCommonjs(text: string): string {
  const exported: string[] = [];
  const body = text
    .replaceAll(/^import \* as (\w+) from (".*?");$/gm, "const $1 = require($2);")
    .replaceAll(
      /^import (\w+) from (".*?")( with .*)?;$/gm,
      (_, name: string, from: string) => `const ${name} = require(${from})${defaultOf(from)};`,
    )
    .replaceAll(
      /^import (\w+), \{(.*)\} from (".*?");$/gm,
      (_, name: string, names: string, from: string) => {
        return `const ${name} = require(${from})${defaultOf(from)}; const {${renamed(names)}} = require(${from});`;
      },
    )
    .replaceAll(
      /^import \{(.*)\} from (".*?");$/gm,
      (_, names: string, from: string) => `const {${renamed(names)}} = require(${from});`,
    )
    .replaceAll(/^export \{(.*)\} from (".*?");$/gm, (_, names: string, from: string) => {
      return names
        .split(",")
        .map((item) => {
          const [name, as = name] = item.trim().split(" as ");
          return `exports.${as} = require(${from}).${name};`;
        })
        .join(" ");
    })
    .replaceAll(/^export \* from (".*?");$/gm, "Object.assign(exports, require($1));")
    .replaceAll(/^export default function (\w+)/gm, (_, name: string) => {
      exported.push(`exports.default = ${name};`);
      return `function ${name}`;
    })
    .replaceAll(/^export (const|let|class|function) (\w+)/gm, (_, kind: string, name: string) => {
      exported.push(`exports.${name} = ${name};`);
      return `${kind} ${name}`;
    });
  return `${body}\n${exported.join("\n")}\n`;
}

const defaultOf = (from: string): string => (/^"\.(?!.*\.json)/.test(from) ? ".default" : "");
const renamed = (names: string): string => names.replaceAll(" as ", ": ");

/** Runs a form's features with a Node, in a process of its own; the result of each case. */
export async function runForm(
  form: Form,
  folder: string,
  execPath: string = process.execPath,
  /** Of a store for code packages, which the functions' modules then come from. */
  packagesIn?: string,
): Promise<CaseResult[]> {
  const files = form.features.map((name) => path.join(folder, `${name}${form.extension}`));
  return runProgram(
    [...form.execArgv, path.join(import.meta.dirname, "run-cases.ts"), ...files],
    folder,
    execPath,
    packagesIn ? { KINGLET_TEST_PACKAGES_IN: packagesIn } : {},
  );
}

/** One feature as the very script that the process was started with. */
export async function runAsMain(
  form: Form,
  folder: string,
  feature: string,
  exportName: string,
): Promise<CaseResult[]> {
  const file = path.join(folder, `${feature}-main${form.extension}`);
  const runner = JSON.stringify(path.join(import.meta.dirname, "run-cases.ts"));
  const source = fs.readFileSync(path.join(folder, `${feature}${form.extension}`), "utf8");
  const run = `import(${runner}).then(({ main }) => main([${exportName}])).then(() => process.exit(0));`;
  fs.writeFileSync(file, `${source}\n${run}\n`);
  return runProgram([...form.execArgv, file], folder, process.execPath);
}

async function runProgram(
  args: readonly string[],
  cwd: string,
  execPath: string,
  more: NodeJS.ProcessEnv = {},
): Promise<CaseResult[]> {
  const { NODE_OPTIONS: _inherited, VITEST: _vitest, ...inherited } = process.env;
  const env = { ...inherited, ...more, TORTURE_LIB: path.join(TORTURE, "lib") };
  const child = spawn(execPath, ["--disable-warning=ExperimentalWarning", ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (errors += chunk));
  const code = await new Promise((resolve) => child.on("close", resolve));
  const results = output
    .split("\n")
    .filter((line) => line.startsWith(MARK))
    .map((line) => JSON.parse(line.slice(MARK.length)) as CaseResult);
  if (code !== 0 || results.length === 0)
    throw new Error(`${args.join(" ")} ended with ${code}\n${output}\n${errors}`);
  return results;
}
