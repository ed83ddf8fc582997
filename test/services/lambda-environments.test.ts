import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { expect, it } from "vitest";
import type { LambdaAccount } from "./lambda/account-client.ts";
import { createFunction, type FunctionUnderTest, zipOf } from "./lambda/function-under-test.ts";
import { describeWith } from "./services.ts";

const REPOSITORY = path.resolve(import.meta.dirname, "../..");

const codeOf = async (source: string) => ({ Code: { ZipFile: await zipOf({ "index.mjs": source }) } });

/** What the platform's log says of a function, line by line. */
async function logOf(account: LambdaAccount, { name }: FunctionUnderTest): Promise<string[]> {
  const client = new CloudWatchLogsClient({ ...account });
  const { events } = await client.send(new FilterLogEventsCommand({ logGroupName: `/aws/lambda/${name}` }));
  return events!.map(({ message }) => message!.trimEnd());
}

describeWith("lambda", "an execution environment of the Lambda double", (lambda) => {
  it("runs the upload with AWS's runtime client, and is used again", async () => {
    const { invoke } = await createFunction(lambda());
    const first = await invoke({ echo: [1, { two: "3" }] });
    expect(first).toMatchObject({
      ...{ status: 200, functionError: undefined },
      payload: { count: 1, echo: [1, { two: "3" }] },
    });
    expect(first.payload.remainingMs).toBeGreaterThan(5000);
    expect((await invoke({})).payload.count).toBe(2);
  });

  it("is one for each invocation that runs at the same time", async () => {
    const account = await lambda().openAccount();
    const { invoke } = await createFunction(account);
    await Promise.all([1, 2, 3].map(() => invoke({ sleepMs: 500 })));
    const environments = await account.environments();
    expect(environments.map(({ isBusy, invocations }) => ({ isBusy, invocations }))).toEqual(
      Array(3).fill({ isBusy: false, invocations: 1 }),
    );
    expect(await account.reapIdle()).toBe(3);
    expect(await account.environments()).toEqual([]);
    expect((await invoke({})).payload.count).toBe(1);
  });

  it("sees its code, a small system and nothing else of this machine", async () => {
    const { invoke } = await createFunction(lambda());
    expect(existsSync(path.join(REPOSITORY, "package.json"))).toBe(true);
    const read = ["/", "/tmp", "/var/task", "/opt", "/usr/lib", "/old", "/etc/shadow", "/sys"];
    const hidden = [REPOSITORY, path.join(REPOSITORY, "node_modules"), homedir(), process.execPath];
    const { payload } = await invoke({ read: [...read, ...hidden] });
    expect(payload.reading).toMatchObject({
      "/": ["bin", "dev", "etc", "lib", "lib64", "old", "opt", "proc", "tmp", "usr", "var"],
      ...{
        "/tmp": [],
        "/var/task": ["index.mjs"],
        "/opt": [],
        "/old": [],
        "/etc/shadow": "ENOENT",
        "/sys": "ENOENT",
      },
      ...Object.fromEntries(hidden.map((folder) => [folder, "ENOENT"])),
    });
    const { payload: more } = await invoke({
      evaluate: "import('vitest').catch((error) => error.code)",
      shell: "id -un; ls /proc | grep -c '^[0-9]'; command -v python3 git npm || echo none",
    });
    expect(more.value).toBe("ERR_MODULE_NOT_FOUND");
    // Its own processes: the first, what drops its rights no more, the runtime, the shell and its two.
    expect(more.shell).toMatch(/^sbx_user1051\n[3-6]\nnone\n$/);
  });

  it("can write to /tmp alone, up to its size", async () => {
    const { invoke } = await createFunction(lambda(), { MemorySize: 2048 });
    for (const write of ["/var/task/x", "/usr/lib/x", "/x", "/var/runtime/x", "/old/x"])
      expect((await invoke({ write })).payload.reading[write]).toMatch(/^E(ROFS|ACCES)$/);
    expect((await invoke({ write: "/tmp/x", read: ["/tmp"] })).payload.reading["/tmp/x"]).toBe("written");
    expect((await invoke({ read: ["/tmp"] })).payload.reading["/tmp"]).toEqual(["x"]);
    const full = await invoke({ fillTmpMb: 600 });
    expect(full.payload).toMatchObject({
      errorType: "Error",
      errorMessage: expect.stringContaining("ENOSPC"),
    });
  });

  it("has the variables that AWS gives it and those of the function, none of ours", async () => {
    const account = lambda();
    const Variables = { MINE: "yes", ...account.s3Variables };
    const { invoke, name } = await createFunction(account, { Environment: { Variables } });
    const { env } = (await invoke({ env: true })).payload;
    expect(env).toMatchObject({
      ...{ MINE: "yes", AWS_ENDPOINT_URL_S3: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) },
      ...{ AWS_REGION: "us-east-1", AWS_DEFAULT_REGION: "us-east-1", TZ: ":UTC", LANG: "en_US.UTF-8" },
      ...{ AWS_ACCESS_KEY_ID: account.credentials.accessKeyId, AWS_LAMBDA_FUNCTION_NAME: name },
      ...{ AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256", AWS_LAMBDA_FUNCTION_VERSION: "$LATEST" },
      ...{ AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x" },
      AWS_LAMBDA_LOG_STREAM_NAME: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/),
      ...{ LAMBDA_TASK_ROOT: "/var/task", LAMBDA_RUNTIME_DIR: "/var/runtime", _HANDLER: "index.handler" },
      _X_AMZN_TRACE_ID: expect.stringMatching(/^Root=1-/),
    });
    expect(env).not.toHaveProperty("HOME");
    expect(Object.keys(env).filter((key) => /^(npm_|VITEST|KINGLET)/.test(key))).toEqual([]);
  });

  it("reaches the S3 server and its own runtime API, no other port of this machine", async () => {
    const Variables = { S3: lambda().s3Variables["AWS_ENDPOINT_URL_S3"]!, DOUBLE: lambda().endpoint };
    const { invoke } = await createFunction(lambda(), { Environment: { Variables } });
    const reach = (name: string) =>
      `fetch(process.env.${name}).then(({ status }) => status, ({ cause }) => cause.code)`;
    expect((await invoke({ evaluate: reach("S3") })).payload.value).toBe(200);
    expect((await invoke({ evaluate: reach("DOUBLE") })).payload.value).toBe("ECONNREFUSED");
  });

  it("stands still between invocations", async () => {
    const { invoke } = await createFunction(lambda());
    await invoke({ tick: true });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await invoke({})).payload.longestPauseMs).toBeGreaterThan(450);
  });

  it("ends with a function that exits or is killed, and the log says so", async () => {
    const created = await createFunction(lambda());
    const { invoke } = created;
    const exited = await invoke({ exit: 3 });
    expect(exited).toMatchObject({ status: 200, functionError: "Unhandled" });
    expect(exited.payload).toEqual({
      errorType: "Runtime.ExitError",
      errorMessage: expect.stringMatching(/^RequestId: \S+ Error: Runtime exited with error: exit status 3$/),
    });
    expect(exited.logTail).toMatch(/REPORT .*\tStatus: error\tError Type: Runtime.ExitError\t$/);
    const killed = await invoke({ signal: "SIGSEGV" });
    expect(killed.payload.errorMessage).toMatch(
      /Error: Runtime exited with error: signal: segmentation fault$/,
    );
    expect((await invoke({})).payload.count).toBe(1);
  });

  it("tells of what a function throws, and goes on", async () => {
    const { invoke } = await createFunction(lambda());
    const thrown = await invoke({ throw: "no luck" });
    expect(thrown).toMatchObject({
      functionError: "Unhandled",
      payload: { errorType: "TypeError", errorMessage: "no luck" },
    });
    expect(thrown.payload.trace[0]).toBe("TypeError: no luck");
    expect((await invoke({})).payload.count).toBe(2);
  });

  it("is killed when it needs more memory than it has", async () => {
    const { invoke } = await createFunction(lambda());
    const { payload, logTail } = await invoke({ holdMb: 400 });
    expect(payload).toMatchObject({
      errorType: "Runtime.ExitError",
      errorMessage: expect.stringMatching(/Runtime exited with error: signal: killed$/),
    });
    expect(logTail).toContain("\tMemory Size: 256 MB\tMax Memory Used: 256 MB\t");
    expect((await invoke({ holdMb: 50 })).payload.count).toBe(1);
  });

  it("is killed when its time is over", async () => {
    const { invoke } = await createFunction(lambda(), { Timeout: 1 });
    const { payload, logTail, functionError } = await invoke({ sleepMs: 5000 });
    expect(functionError).toBe("Unhandled");
    expect(payload).toEqual({
      errorType: "Sandbox.Timedout",
      errorMessage: expect.stringMatching(/^RequestId: \S+ Error: Task timed out after 1\.00 seconds$/),
    });
    expect(logTail).toMatch(
      /Task timed out after 1\.00 seconds\nEND RequestId: .*\nREPORT .*\tStatus: timeout\t$/,
    );
    expect((await invoke({})).payload.count).toBe(1);
  });

  it.each([
    ["isn't there", "", "Runtime.ImportModuleError"],
    ["lacks a module", "import './gone.mjs'; export const handler = 1;", "Error"],
    ["has no handler", "export const other = 1;", "Runtime.HandlerNotFound"],
    ["isn't JavaScript", "this is no code", "Runtime.UserCodeSyntaxError"],
    ["throws while it loads", "throw new RangeError('at start');", "RangeError"],
    ["exits while it loads", "console.error('giving up'); process.exit(7);", "Runtime.ExitError"],
  ])("can't start where the code %s, and the log says why", async (_what, source, type) => {
    const Handler = source === "" ? "gone.handler" : "index.handler";
    const created = await createFunction(lambda(), { ...(await codeOf(source)), Handler });
    const { payload, functionError } = await created.invoke({});
    expect({ functionError, type: payload.errorType }).toEqual({ functionError: "Unhandled", type });
    await expect.poll(() => logOf(lambda(), created)).toContainEqual(expect.stringMatching(/^REPORT /));
    const log = await logOf(lambda(), created);
    expect(log.find((line) => line.startsWith("INIT_REPORT"))).toMatch(
      new RegExp(`^INIT_REPORT Init Duration: [\\d.]+ ms\tPhase: init\tStatus: error\tError Type: ${type}$`),
    );
    const reason = type === "Runtime.ExitError" ? "giving up" : payload.errorMessage.split("\n")[0];
    expect(log.join("\n")).toContain(reason);
  });

  it("may take ten seconds to start, then starts once more within the function's time", async () => {
    const account = await lambda().openAccount({ initMs: 1000 });
    const source = "await new Promise((r) => setTimeout(r, 1600)); export const handler = () => 'up';";
    const patient = await createFunction(account, { ...(await codeOf(source)), Timeout: 10 });
    expect((await patient.invoke({})).payload).toBe("up");
    expect((await logOf(account, patient)).join("\n")).toMatch(
      /INIT_REPORT .*\tPhase: init\tStatus: timeout/,
    );
    const impatient = await createFunction(account, { ...(await codeOf(source)), Timeout: 1 });
    expect((await impatient.invoke({})).payload.errorType).toBe("Sandbox.Timedout");
  });
});
