import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  endAll,
  Folder,
  isRunning,
  kinglet,
  type Running,
  startKinglet,
  startOnTerminal,
  terminalTool,
} from "./kinglet.ts";

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
});
afterEach(() => {
  endAll();
  folder.remove();
});

const ran = (...args: string[]) => kinglet(args, { cwd: folder.path });

/** Forty squares; from the tenth on a task waits for the file `go`. Each prints who computes it. */
const SQUARES = `
  import { existsSync } from "node:fs";
  import { setTimeout as sleep } from "node:timers/promises";
  import { openPool } from "kinglet";
  const pool = openPool({ concurrency: 2 });
  console.log("process", process.pid);
  const squares = await pool.map(async function square(n: number) {
    console.log("process", process.pid);
    while (n >= 10 && !existsSync("go")) await sleep(10);
    return n * n;
  }, Array.from({ length: 40 }, (_, n) => n));
  console.log("sum", squares.reduce((a, b) => a + b));
  await pool.close();
`;
const ALL_SQUARES = Array.from({ length: 40 }, (_, n) => n * n);

/** The processes that said who they are. */
const pidsIn = (text: string): number[] => [...text.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));

/** Waits until a task has begun that only \`go\` lets end. */
const inTheMiddle = (running: Running): Promise<void> => running.printed(/task 1\d\] process/);

const idIn = (text: string): string => /kinglet resume (\S+)/.exec(text)![1]!;

describe("kinglet run with jobs", () => {
  it("keeps stdout the script's and shows the summary on stderr", async () => {
    folder.script(
      "script.ts",
      `import { openPool } from "kinglet";
       const pool = openPool();
       const doubled = await pool.map(function double(n: number) { return n * 2; }, [1, 2, 3]);
       console.log(JSON.stringify(doubled));
       await pool.close();`,
    );
    const { code, stdout, stderr } = await ran("run", "--concurrency", "2", "script.ts");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "[2,4,6]\n" });
    expect(stderr.split("\n")).toEqual([
      expect.stringMatching(/^✓ double: 3 tasks in \S+ m?s$/),
      "tasks    3",
      expect.stringMatching(/^wall {5}\S+ m?s$/),
      expect.stringMatching(/^busy {5}\S+ m?s on 2 workers: speed-up \d+\.\d$/),
      "retries  0",
      expect.stringMatching(/^slowest {2}double task.* \S+ m?s$/),
      "",
    ]);
    expect(await ran("run", "--no-progress", "script.ts")).toMatchObject({ code: 0, stderr: "" });
    expect((await ran("jobs")).stdout.match(/double +done +3\/3/g)).toHaveLength(2);
  });

  it("shows crashes and retries, and keeps what tasks print", async () => {
    folder.script(
      "script.ts",
      `import { existsSync, writeFileSync } from "node:fs";
       import { openPool } from "kinglet";
       const pool = openPool({ concurrency: 1 });
       await pool.map(function fragile(n: number) {
         console.log("\\u001b[31mnumber", n);
         if (n === 1 && !existsSync("crashed")) { writeFileSync("crashed", ""); process.exit(3); }
       }, [0, 1, 2]);
       await pool.close();`,
    );
    const { code, stdout, stderr } = await ran("run", "script.ts");
    expect({ code, lines: stdout.match(/\[\S+ task 2\] number 2/g) }).toEqual({
      code: 0,
      lines: [expect.any(String)],
    });
    expect(stdout).not.toContain("\u001b");
    expect(stderr).toMatch(/^retries {2}1 \(1 crash\)$/m);
    const id = /^(\S+) +fragile/m.exec((await ran("jobs")).stdout)![1]!;
    expect((await ran("logs", id, "--task", "1")).stdout).toBe("[task 1] number 1\n[task 1] number 1\n");
  });

  it("ends with 1 where a task fails, and shows the error of the user's own line", async () => {
    folder.script(
      "script.ts",
      `import { openPool } from "kinglet";
       const pool = openPool({ concurrency: 1 });
       await pool.map(function sour(n: number) { throw new RangeError("too sour: " + n); }, [7]);`,
    );
    const { code, stderr } = await ran("run", "script.ts");
    expect(code).toBe(1);
    expect(stderr).toMatch(/RangeError: too sour: 7[\s\S]*script\.ts:3/);
    expect(stderr).toMatch(/^✗ sour: failed after 1 of 1 tasks in .*, 1 failed$/m);
    expect((await ran("jobs")).stdout).toMatch(/sour +failed +1\/1 +1 /);
  });
});

describe("Ctrl-C", () => {
  /** After an interrupt: nothing is left, and the job can be finished. */
  async function checkResumable(printed: string): Promise<void> {
    expect(printed.match(/kinglet resume/g), "says it once").toHaveLength(1);
    const pids = pidsIn(printed);
    expect(pids.length).toBeGreaterThan(10);
    expect(pids.filter(isRunning)).toEqual([]);
    const id = idIn(printed);
    expect((await ran("jobs", id)).stdout).toMatch(/square +interrupted +1?\d\/40/);
    writeFileSync(folder.file("go"), "");
    const resumed = await ran("resume", id, "--json");
    expect(resumed.code).toBe(0);
    expect(JSON.parse(resumed.stdout)).toEqual(ALL_SQUARES);
    expect(resumed.stderr).toMatch(/^✓ square: 40 tasks \(\d+ of them before\) in /m);
    expect((await ran("jobs", id)).stdout).toMatch(/square +done +40\/40/);
    // No lease is left: the folder is gone with the last one.
    expect(existsSync(folder.file(".kinglet/drivers"))).toBe(false);
  }

  it("leaves no process, prints how to resume and ends with 130; resume finishes the job", async () => {
    folder.script("script.ts", SQUARES);
    const running = startKinglet(["run", "script.ts"], { cwd: folder.path });
    await inTheMiddle(running);
    running.child.kill("SIGINT");
    const { code, stdout, stderr } = await running.ended;
    expect(code).toBe(130);
    expect(stdout).not.toContain("sum");
    await checkResumable(stdout + stderr);
  });

  it.skipIf(!terminalTool)(
    "on a terminal does the same, which signals the script directly (needs `script`)",
    async () => {
      folder.script("script.ts", SQUARES);
      const running = startOnTerminal(["run", "script.ts"], { cwd: folder.path });
      await inTheMiddle(running);
      await running.printed(/square {2}█{6}░{18} {3}25 % {2}10\/40/);
      running.child.stdin!.write("\u0003");
      const { code, stdout } = await running.ended;
      expect(code).toBe(130);
      await checkResumable(stdout);
    },
  );
});

describe("a script that is killed", () => {
  it("can be resumed, and resume tells about the results", async () => {
    folder.script("script.ts", SQUARES);
    const running = startKinglet(["run", "script.ts"], { cwd: folder.path });
    await running.printed(/^process \d+/);
    await inTheMiddle(running);
    const [scriptPid] = pidsIn((await firstLine(running)) ?? "");
    process.kill(scriptPid!, "SIGKILL");
    const killed = await running.ended;
    expect(killed.code).toBe(137);
    expect(killed.stderr).toMatch(
      /Job \S+ isn't finished\. Go on with it: kinglet resume \S+\nkinglet: the script was ended by SIGKILL\n$/,
    );
    const id = idIn(killed.stderr);
    writeFileSync(folder.file("go"), "");
    const resumed = await ran("resume", id);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toContain(
      `Results: await openPool({ storage: "${folder.file(".kinglet")}" }).attach("${id}")\n`,
    );
    folder.script(
      "attach.ts",
      `import { openPool } from "kinglet"; const pool = openPool(); console.log(JSON.stringify(await pool.attach("${id}"))); await pool.close();`,
    );
    expect(JSON.parse((await ran("run", "attach.ts")).stdout)).toEqual(ALL_SQUARES);
    expect(await ran("resume", id)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("has ended already: done"),
    });
  });

  /** The script's first line is its process id. */
  async function firstLine(running: Running): Promise<string | undefined> {
    let line: string | undefined;
    await running.printed({
      test: (text: string) => (line = /^process \d+$/m.exec(text)?.[0]) !== undefined,
    });
    return line;
  }

  it("before its input was drawn to its end: only what was recorded runs, and resume ends with 4", async () => {
    folder.script(
      "script.ts",
      `import { openPool } from "kinglet";
       const pool = openPool({ concurrency: 1 });
       async function* endless() {
         for (let n = 0; n < 5; n++) yield n;
         await new Promise(() => setInterval(() => {}, 1000));
       }
       const job = pool.map(function third(n: number) { console.log("here", process.ppid); return n * 3; }, endless());
       await job;`,
    );
    const running = startKinglet(["run", "script.ts"], { cwd: folder.path });
    let pid: number | undefined;
    await running.printed({
      test: (text: string) => (pid = Number(/task 4\] here (\d+)/.exec(text)?.[1] ?? 0)) > 0,
    });
    process.kill(pid!, "SIGKILL");
    const id = idIn((await running.ended).stderr);
    const resumed = await ran("resume", id, "--json");
    expect(resumed.code).toBe(4);
    expect(JSON.parse(resumed.stdout)).toEqual([0, 3, 6, 9, 12]);
    expect(resumed.stderr).toMatch(/^kinglet: INPUT_INCOMPLETE /m);
  });
});

describe("kinglet resume", () => {
  it("leaves a running job to its driver; cancel reaches it there", async () => {
    folder.script("script.ts", SQUARES);
    const running = startKinglet(["run", "script.ts"], { cwd: folder.path });
    await inTheMiddle(running);
    const id = /^(\S+) +square +running/m.exec((await ran("jobs")).stdout)![1]!;
    const refused = await ran("resume", id);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^kinglet: JOB_LED_ELSEWHERE job \S+ is being worked on by process \d+/);
    expect(await ran("cancel", id)).toMatchObject({ code: 0, stdout: `Cancelled job ${id}.\n` });
    const ended = await running.ended;
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/CANCELLED|was cancelled: kinglet cancel/);
    expect((await ran("jobs", id)).stdout).toMatch(/square +cancelled/);
  });

  it("shows what a task threw, in the user's words, and ends with 1", async () => {
    folder.script(
      "script.ts",
      `import { existsSync } from "node:fs";
       import { setTimeout as sleep } from "node:timers/promises";
       import { openPool } from "kinglet";
       const pool = openPool({ concurrency: 1 });
       await pool.map(async function sour(n: number) {
         console.log("process", process.ppid);
         while (!existsSync("go")) await sleep(10);
         throw new RangeError("too sour: " + n);
       }, [7]);`,
    );
    const running = startKinglet(["run", "script.ts"], { cwd: folder.path });
    let pid = 0;
    await running.printed({ test: (text: string) => (pid = pidsIn(text)[0] ?? 0) > 0 });
    process.kill(pid, "SIGKILL");
    const id = idIn((await running.ended).stderr);
    writeFileSync(folder.file("go"), "");
    const { code, stderr } = await ran("resume", id);
    expect(code).toBe(1);
    expect(stderr).toContain(`\nTask 0 of job ${id} threw RangeError: too sour: 7\n`);
    const again = await ran("resume", id);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("has ended already: failed.\n") });
  });

  it("says how to get results that JSON can't show", async () => {
    folder.script(
      "script.ts",
      `import { openPool } from "kinglet";
       const pool = openPool({ concurrency: 1 });
       await pool.map(function mapOf(n: number) { return new Map([[n, n]]); }, [1]);
       await pool.close();`,
    );
    await ran("run", "script.ts");
    const id = /^(\S+) +mapOf/m.exec((await ran("jobs")).stdout)![1]!;
    const { code, stdout, stderr } = await ran("resume", id, "--json");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toMatch(/hold values that JSON can't show[\s\S]*attach\("/);
  });
});

describe("kinglet doctor", () => {
  it("finds nothing wrong here, and leaves nothing behind", async () => {
    const { code, stdout, stderr } = await ran("doctor", "--storage", "objects");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.split("\n").map((line) => line.slice(0, 19).trim())).toEqual(
      ["versions", "machine", "options", "storage", "free space", "drivers", "compute"]
        .map((what) => `ok       ${what}`)
        .concat(""),
    );
    const left = readdirSync(folder.file("objects"), { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(["kinglet-store.json"]);
  });

  it("names the problem and what to do, and ends with 1", async () => {
    writeFileSync(folder.file("objects"), "a file stands in the way");
    const { code, stdout } = await ran("doctor", "--storage", "objects");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^PROBLEM {2}storage {5}STORE_UNWRITABLE .*\n {21}\S/m);
    expect(stdout).toMatch(/^ok {7}compute/m);
    const json = JSON.parse((await ran("doctor", "--storage", "objects", "--json")).stdout);
    expect(json).toContainEqual(
      expect.objectContaining({ what: "storage", ok: false, remedy: expect.any(String) }),
    );
    expect(readFileSync(folder.file("objects"), "utf8")).toBe("a file stands in the way");
  });
});
