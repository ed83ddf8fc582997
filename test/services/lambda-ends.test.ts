import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startNode } from "../support/processes.ts";
import { askKeeper, socketIn } from "./keeper-process.ts";
import { LambdaAccount } from "./lambda/account-client.ts";
import { createFunction } from "./lambda/function-under-test.ts";
import { type LambdaFacts, startLambda } from "./lambda/start.ts";
import type { Running } from "./radosgw.ts";
import { describeWith, s3Service } from "./services.ts";

const newFolder = () => mkdtempSync(path.join(tmpdir(), "kinglet-lambda-test-"));

/** A process and all below it. */
function treeOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(file) ? readFileSync(file, "utf8").split(" ").filter(Boolean) : [];
  return [pid, ...children.flatMap((child) => treeOf(Number(child)))];
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);
const groupsOf = (pid: number): string[] =>
  ["memory", "freezer", ""]
    .map((controller) => path.join("/sys/fs/cgroup", controller))
    .flatMap((parent) => (existsSync(parent) ? readdirSync(parent) : []))
    .filter((name) => name.startsWith(`kinglet-lambda-${pid}-`));

describeWith("lambda", "the Lambda double", () => {
  it("leaves nothing behind when the run that uses it is killed", async () => {
    const folder = newFolder();
    const parent = startNode([path.join(import.meta.dirname, "keepers-parent.ts"), folder]);
    await expect.poll(parent.stdout).toContain("ready");
    const account = new LambdaAccount(await askKeeper<LambdaFacts>(socketIn(folder), "lambda"));
    const { invoke } = await createFunction(account);
    await invoke({ evaluate: "import('node:child_process').then((m) => void m.spawn('sleep', ['600']))" });
    const running = invoke({ sleepMs: 60_000 }).catch(() => "cut");
    await expect.poll(() => account.environments()).toMatchObject([{ isBusy: true }]);
    const [environment] = await account.environments();
    const double = Number(/PPid:\s*(\d+)/.exec(readFileSync(`/proc/${environment!.pid}/status`, "utf8"))![1]);
    const tree = treeOf(environment!.pid);
    // What enters the namespaces, the first in there, the runtime, its sleep.
    expect(tree).toHaveLength(4);
    parent.child.kill("SIGKILL");
    expect(await running).toBe("cut");
    await expect.poll(() => [double, ...tree].filter(isAlive)).toEqual([]);
    await expect.poll(() => groupsOf(double)).toEqual([]);
    await expect.poll(() => existsSync(folder)).toBe(false);
  });

  it("keeps its mounts to itself", () => {
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain("kinglet-lambda");
  });
});

describeWith("lambda", "the Lambda double without control groups", () => {
  let running: Running<LambdaFacts>;
  let folder: string;
  beforeAll(async () => {
    folder = newFolder();
    running = await startLambda(folder, await s3Service(), { cages: "signals" });
  });
  afterAll(async () => {
    await running?.stop();
    rmSync(folder, { recursive: true });
  });

  it("kills what needs more memory than it has", async () => {
    const account = new LambdaAccount(running.facts);
    const { invoke } = await createFunction(account);
    expect((await invoke({ holdMb: 100 })).payload.count).toBe(1);
    const { payload } = await invoke({ holdMb: 2000 });
    expect(payload.errorMessage).toMatch(/Runtime exited with error: signal: killed$/);
  });

  it("freezes what runs nothing", async () => {
    const account = new LambdaAccount(running.facts);
    const { invoke } = await createFunction(account);
    await invoke({ tick: true });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await invoke({})).payload.longestPauseMs).toBeGreaterThan(450);
    await account.orderFault("freeze", { ms: 400 });
    const startMs = performance.now();
    await invoke({ sleepMs: 50 });
    expect(performance.now() - startMs).toBeGreaterThan(390);
  });
});
