import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import vm from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scriptChunks } from "../scripts/script-chunks.ts";
import { Workbench } from "./docs/workbench.ts";

let bench: Workbench;
beforeAll(() => {
  bench = new Workbench();
  bench.write(
    "script.mjs",
    `import { openPool } from "kinglet";
     const pool = openPool({ concurrency: 1 });
     console.log(await pool.run((n) => n + 1, 41));
     await pool.close();`,
  );
});
afterAll(() => bench?.remove());

/** Runs the script with that home, and gives the files of compiled code that are there afterwards. */
async function codeAfterRun(home: string, env: Record<string, string> = {}): Promise<string[]> {
  const ended = await bench.node(["script.mjs"], { HOME: path.join(bench.folder, home), ...env });
  expect(ended).toEqual({ code: 0, stdout: "42\n", stderr: "" });
  const folder = path.join(bench.folder, home, ".cache/kinglet/code");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(base|main|worker-code)-\w+/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

const nameOf = (file: string): string => path.basename(file).replace(/-[0-9a-f]{16}$/, "");
const inodes = (files: readonly string[]): number[] => files.map((file) => statSync(file).ino);

describe("compiled code of the built package", () => {
  it("is kept for later processes, in files that nobody else can read or write", async () => {
    const first = await codeAfterRun("home");
    expect(first.map(nameOf)).toEqual(["base", "main", "worker-code"]);
    for (const file of first) expect(statSync(file).mode & 0o777).toBe(0o600);
    const written = inodes(first);
    expect(await codeAfterRun("home")).toEqual(first);
    expect(inodes(first)).toEqual(written);
  });

  it("is made anew where a file is damaged, cut short, or could have been written by others", async () => {
    const files = await codeAfterRun("damaged");
    const sound = files.map((file) => readFileSync(file));
    const damages: ((file: string, bytes: Buffer) => void)[] = [
      (file, bytes) => {
        bytes[bytes.length >> 1]! ^= 0xff;
        writeFileSync(file, bytes);
      },
      (file, bytes) => writeFileSync(file, bytes.subarray(0, bytes.length >> 1)),
      (file) => writeFileSync(file, ""),
      (file) => chmodSync(file, 0o666),
    ];
    for (const damage of damages) {
      files.forEach((file, index) => {
        damage(file, Buffer.from(sound[index]!));
      });
      const damaged = inodes(files);
      expect(await codeAfterRun("damaged")).toEqual(files);
      files.forEach((file, index) => {
        expect(statSync(file).ino, file).not.toBe(damaged[index]);
        expect(statSync(file).mode & 0o777).toBe(0o600);
      });
    }
  });

  it("is not kept with NODE_DISABLE_COMPILE_CACHE=1, and elsewhere with NODE_COMPILE_CACHE", async () => {
    expect(await codeAfterRun("none", { NODE_DISABLE_COMPILE_CACHE: "1" })).toEqual([]);
    const elsewhere = path.join(bench.folder, "elsewhere");
    expect(await codeAfterRun("none", { NODE_COMPILE_CACHE: elsewhere })).toEqual([]);
    const kept = readdirSync(elsewhere, { recursive: true }).map((name) => nameOf(String(name)));
    expect(kept).toEqual(expect.arrayContaining(["base", "main", "worker-code"]));
  });

  it("is done without where there is no place for it", async () => {
    bench.write("file", "");
    expect(await codeAfterRun("file")).toEqual([]);
  });
});

describe("script chunks", () => {
  const built = (chunks: Record<string, string>) => {
    const bundle = Object.fromEntries(
      Object.entries(chunks).map(([name, code]) => [`${name}.js`, { type: "chunk" as const, name, code }]),
    );
    const scripts: Record<string, string> = {};
    const names = Object.keys(chunks).filter((name) => name.startsWith("script"));
    const emitFile = ({ fileName, source }: { fileName: string; source: string }) => {
      scripts[fileName] = source;
    };
    scriptChunks(names, "loader").generateBundle.call({ emitFile }, {}, bundle);
    return { bundle, scripts };
  };

  it("run as the modules did: imports, exports, import.meta, any text, the same lines", () => {
    const { bundle, scripts } = built({
      script1:
        'import { keep as k } from "./loader.js";\nconst a = "ä…\u{1f600}";\n\nexport { a as b, k, e };\nlet e = import.meta.url;\n',
      script2: 'import { b } from "./script1.js";\nexport { c };\nconst c = b + "!";\n',
      script3: 'const os = import("node:os", { with: {} });\nexport { os };\n',
      module: 'import { c as d } from "./script2.js";\nexport { d };\n',
    });
    expect(Object.keys(bundle)).toEqual(["module.js"]);
    expect(bundle["module.js"]!.code).toBe(
      'import { loadScript } from "./loader.js"; const { c: d } = loadScript("script2");\nexport { d };\n',
    );
    const around = {
      keep: 7,
      meta: { url: "here" },
      importModule: (...given: unknown[]) => given,
      loadScript: (name: string) => vm.runInThisContext(scripts[`${name}.script.js`]!)(around),
    };
    expect(around.loadScript("script3")).toEqual({ os: ["node:os", { with: {} }] });
    expect(around.loadScript("script1")).toEqual({ b: "ä…\u{1f600}", k: 7, e: "here" });
    expect(around.loadScript("script2")).toEqual({ c: "ä…\u{1f600}!" });
    expect(scripts["script1.script.js"]).toMatch(/^[\n\x20-\x7e]+$/);
    expect(scripts["script1.script.js"]!.split("\n")[1]).toContain("const a =");
    expect(scripts["script1.script.js"]!.split("\n")[4]).toContain("let e =");
  });

  it("are refused where a function changes what is exported, or a module that is no script is imported", () => {
    expect(() =>
      built({ script: "let n = 0;\nfunction next() { return n++; }\nexport { n, next };" }),
    ).toThrow("script exports n, and a function assigns it");
    expect(() => built({ script: 'import { x } from "./other.js";\nexport { x };' })).toThrow(
      "script imports other, which is no script",
    );
  });
});
