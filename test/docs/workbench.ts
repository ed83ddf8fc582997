import { execFile, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "./pages.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A user's folder in which the package is installed, built from the sources as they are now. */
export class Workbench {
  readonly folder = mkdtempSync(path.join(tmpdir(), "kinglet-docs-"));

  constructor() {
    const installed = path.join(this.folder, "node_modules/kinglet");
    mkdirSync(installed, { recursive: true });
    for (const name of ["package.json", "bin"]) {
      cpSync(path.join(root, name), path.join(installed, name), { recursive: true });
    }
    const build = [
      path.join(root, "node_modules/tsdown/dist/run.mjs"),
      "--out-dir",
      path.join(installed, "dist"),
    ];
    execFileSync(process.execPath, build, { cwd: root, stdio: "pipe" });
    for (const name of ["acorn", "commander", "tinyglobby", "sharp", "vitest", "@types"]) {
      symlinkSync(path.join(root, "node_modules", name), path.join(this.folder, "node_modules", name), "dir");
    }
    this.write("package.json", '{ "type": "module" }');
  }

  write(name: string, content: string | Uint8Array): string {
    const file = path.join(this.folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  }

  /** Runs `node …args` in the folder, as its user would. */
  node(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const child = spawn(process.execPath, args, {
      cwd: this.folder,
      env: { ...withoutTestRunner(process.env), NO_COLOR: "1", KINGLET_CONCURRENCY: "2", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
    });
  }

  /** What the TypeScript compiler objects to, a line each: `file.ts(3,5): error TS2322: …`. */
  typeErrors(files: readonly string[]): Promise<string[]> {
    const options = {
      extends: path.join(root, "tsconfig.json"),
      compilerOptions: { typeRoots: [path.join(root, "node_modules/@types")] },
      files,
      include: [],
    };
    const config = this.write("tsconfig.json", JSON.stringify(options));
    const tsc = path.join(root, "node_modules/typescript/bin/tsc");
    return new Promise((resolve) => {
      execFile(process.execPath, [tsc, "-p", config], { cwd: this.folder }, (_error, stdout) => {
        resolve(stdout.split("\n").filter((line) => line.includes("error TS")));
      });
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const withoutTestRunner = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^(VITEST|NODE_OPTIONS|NODE_COMPILE_CACHE|TEST$|KINGLET_)/.test(name),
    ),
  );
