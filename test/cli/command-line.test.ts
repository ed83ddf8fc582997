import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "acorn";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Folder, kinglet, startKinglet } from "./kinglet.ts";

const BIN = path.resolve(import.meta.dirname, "../../bin/kinglet.mjs");

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
});
afterEach(() => folder.remove());

const ran = (...args: string[]) => kinglet(args, { cwd: folder.path });

describe("the command line", () => {
  it("explains itself", async () => {
    const help = await ran("--help");
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const text of [
      "run",
      "resume",
      "jobs",
      "logs",
      "cancel",
      "clean",
      "plan",
      "doctor",
      "Examples:",
      "Exit codes:",
      "130",
    ]) {
      expect(help.stdout).toContain(text);
    }
    expect((await ran("help", "resume")).stdout).toMatch(/exit\s+code is 4/);
    expect((await ran("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    ["an unknown command", ["jbos"], /unknown command 'jbos'[\s\S]*Did you mean jobs\?/],
    ["an unknown option", ["jobs", "--jsn"], /unknown option '--jsn'[\s\S]*Did you mean --json\?/],
    ["a missing argument", ["resume"], /missing required argument 'id'/],
    ["no command", [], /Usage: kinglet/],
    [
      "a concurrency of nothing",
      ["run", "--concurrency", "0", "x.ts"],
      /BAD_ARGUMENT --concurrency: "0".*from 1 on/,
    ],
    ["a task that is no number", ["logs", "job-001", "--task", "x"], /BAD_ARGUMENT --task: "x"/],
    [
      "an age without a unit",
      ["clean", "--older-than", "7"],
      /BAD_ARGUMENT --older-than: "7" is no duration\n.*7d/,
    ],
    ["an age and ids", ["clean", "job-001", "--all"], /BAD_ARGUMENT clean: ids and --all/],
    [
      "a store that dies with its process",
      ["jobs", "--storage", "memory:"],
      /BAD_OPTION the storage is "memory:"/,
    ],
  ])("refuses %s with exit code 2", async (_what, args, message) => {
    const { code, stderr, stdout } = await ran(...args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  it("shows where an error comes from with --debug", async () => {
    const { code, stderr } = await ran("--debug", "clean", "--older-than", "7");
    expect(code).toBe(2);
    expect(stderr).toMatch(/^ {4}at parseDuration /m);
  });

  it("takes the store from a config file, which the environment and an option override", async () => {
    folder.script("kinglet.config.mjs", 'export default { storage: "from-config" };');
    const where = async (args: string[], env = {}) =>
      (await kinglet(["jobs", ...args], { cwd: folder.path, env })).stderr.replace(/^.*\//, "").trim();
    expect(await where([])).toBe("from-config.");
    expect(await where([], { KINGLET_STORAGE: "from-env" })).toBe("from-env.");
    expect(await where(["--storage", "from-option"], { KINGLET_STORAGE: "from-env" })).toBe("from-option.");
  });

  it("tells the culprit of a bad config file", async () => {
    folder.script("kinglet.config.mjs", "export default { retrys: 3 };");
    const { code, stderr } = await ran("jobs");
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /kinglet: UNKNOWN_OPTION .*kinglet\.config\.mjs.*"retrys"\n {4}Did you mean retries\?/,
    );
  });
});

describe("an old Node", () => {
  it("parses the entry file", () => {
    const parseAs = (ecmaVersion: 2019 | 2020) =>
      parse(readFileSync(BIN, "utf8"), { ecmaVersion, sourceType: "module", allowHashBang: true });
    expect(() => parseAs(2020)).not.toThrow();
    // Dynamic import is the youngest thing in it.
    expect(() => parseAs(2019)).toThrow();
  });

  it.each(["18.20.4", "20.19.0", "22.17.1"])("%s is told what it needs", async (version) => {
    const pretend = `data:text/javascript,Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`;
    const told = await kinglet(["run", "x.ts"], {
      cwd: folder.path,
      main: BIN,
      nodeArgs: ["--import", pretend],
    });
    expect(told).toMatchObject({ code: 1, stdout: "" });
    expect(told.stderr).toMatch(
      new RegExp(
        `^kinglet: NODE_TOO_OLD this is Node ${version}.*22\\.18 or newer\\.\n.*npx -p node@24 -p kinglet kinglet run x.ts\n$`,
      ),
    );
  });

  it("is not seen in a new one", async () => {
    expect(await kinglet(["--version"], { cwd: folder.path, main: BIN })).toMatchObject({
      code: 0,
      stderr: "",
    });
  });
});

describe("kinglet run with a script of any kind", () => {
  it("hands over arguments and options of its own, stdin and environment; stdout is the script's", async () => {
    folder.script(
      "script.ts",
      `const shown: unknown = { args: process.argv.slice(2), env: Object.entries(process.env).filter(([k]) => k.startsWith("KINGLET_")), limit: process.execArgv.includes("--no-warnings") };
       console.log(JSON.stringify(shown));`,
    );
    const args = ["--storage", "s", "--concurrency", "3", "--compute", "local", "--node-arg=--no-warnings"];
    const { code, stdout, stderr } = await ran("run", ...args, "script.ts", "a b", "--json", "-x");
    expect(JSON.parse(stdout)).toEqual({
      args: ["a b", "--json", "-x"],
      env: expect.arrayContaining([
        ["KINGLET_STORAGE", folder.file("s")],
        ["KINGLET_CONCURRENCY", "3"],
        ["KINGLET_COMPUTE", "local"],
      ]),
      limit: true,
    });
    // A script without jobs has no summary.
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("hands on a store behind a URL as it is", async () => {
    folder.script("script.mjs", "process.stdout.write(process.env.KINGLET_STORAGE)");
    const { stdout } = await ran("run", "--storage", "s3://bucket/prefix", "script.mjs");
    expect(stdout).toBe("s3://bucket/prefix");
  });

  it("says how to run TypeScript that needs more than its types stripped", async () => {
    folder.script("script.ts", "enum Colour { red }\nconsole.log(Colour.red);");
    const { code, stderr } = await ran("run", "script.ts");
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX/);
    expect(stderr).toMatch(/--node-arg=--import=tsx script\.ts .*--node-arg=--experimental-transform-types/);
  });

  it.each([
    ["its exit code", "process.exit(7)", 7],
    ["1 for an error that it throws", 'throw new Error("oops")', 1],
    ["128 and the number of the signal that ends it", 'process.kill(process.pid, "SIGKILL")', 137],
  ])("ends with %s", async (_what, text, code) => {
    folder.script("script.mjs", text);
    expect((await ran("run", "script.mjs")).code).toBe(code);
  });

  it("hands on signals, and lets the script decide how to end", async () => {
    folder.script(
      "script.mjs",
      'process.on("SIGTERM", () => { console.log("asked to end"); process.exit(5); }); setInterval(() => {}, 1e6); console.log("up");',
    );
    const running = startKinglet(["run", "script.mjs"], { cwd: folder.path });
    await running.printed(/up/);
    running.child.kill("SIGTERM");
    expect(await running.ended).toMatchObject({ code: 5, stdout: "up\nasked to end\n" });
  });

  it("ends with 130 on Ctrl-C", async () => {
    folder.script("script.mjs", 'setInterval(() => {}, 1e6); console.log("up");');
    const running = startKinglet(["run", "script.mjs"], { cwd: folder.path });
    await running.printed(/up/);
    running.child.kill("SIGINT");
    expect(await running.ended).toMatchObject({ code: 130, stderr: "" });
  });

  it("says that a script isn't there", async () => {
    const { code, stderr } = await ran("run", "nope.ts");
    expect(code).toBe(3);
    expect(stderr).toBe(
      `kinglet: NOT_FOUND there is no script ${folder.file("nope.ts")}\n    Give its path: kinglet run path/to/script.ts\n`,
    );
  });

  it("refuses an unknown backend before the script runs", async () => {
    folder.script("script.mjs", 'console.log("ran")');
    const { code, stdout, stderr } = await ran("run", "--compute", "moon", "script.mjs");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^kinglet: BAD_OPTION .*compute is "moon"/);
  });
});
