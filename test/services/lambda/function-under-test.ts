import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  InvokeCommand,
  type InvokeCommandInput,
  LambdaClient,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import { TextReader, Uint8ArrayWriter, ZipWriter } from "@zip.js/zip.js";
import type { LambdaAccount } from "./account-client.ts";

/** Does what its event says, and tells of itself. */
const SCRIPTED = `
import fs from "node:fs";
import { execFileSync } from "node:child_process";
let count = 0;
const ticks = [];
const held = [];
export const handler = async (event, context) => {
  count += 1;
  if (event.log) console.log(event.log);
  if (event.print) process.stdout.write(event.print);
  if (event.warn) process.stderr.write(event.warn);
  if (event.holdMb) for (let mb = 0; mb < event.holdMb; mb++) held.push(Buffer.alloc(1024 * 1024, 1));
  if (event.fillTmpMb) fs.writeFileSync("/tmp/big", Buffer.alloc(event.fillTmpMb * 1024 * 1024));
  if (event.sleepMs) await new Promise((resolve) => setTimeout(resolve, event.sleepMs));
  if (event.tick) ticks.push(Date.now());
  if (event.tick) setInterval(() => ticks.push(Date.now()), 5);
  if (event.exit !== undefined) process.exit(event.exit);
  if (event.signal) process.kill(process.pid, event.signal);
  if (event.throw) throw new TypeError(event.throw);
  const reading = {};
  for (const file of event.read ?? []) {
    try { reading[file] = fs.statSync(file).isDirectory() ? fs.readdirSync(file) : fs.readFileSync(file, "utf8"); }
    catch (error) { reading[file] = error.code; }
  }
  if (event.write) {
    try { fs.writeFileSync(event.write, "x"); reading[event.write] = "written"; }
    catch (error) { reading[event.write] = error.code; }
  }
  return {
    count, reading,
    echo: event.echo,
    longestPauseMs: Math.max(0, ...ticks.map((at, i) => (ticks[i + 1] ?? Date.now()) - at)),
    requestId: context.awsRequestId,
    remainingMs: context.getRemainingTimeInMillis(),
    ...(event.big ? { big: "x".repeat(event.big) } : {}),
    ...(event.env ? { env: process.env } : {}),
    ...(event.evaluate ? { value: await (0, eval)(event.evaluate) } : {}),
    ...(event.shell ? { shell: execFileSync("sh", ["-c", event.shell], { encoding: "utf8" }) } : {}),
  };
};
`;

export async function zipOf(files: Record<string, string>): Promise<Uint8Array> {
  const writer = new ZipWriter(new Uint8ArrayWriter());
  for (const [name, text] of Object.entries(files)) await writer.add(name, new TextReader(text));
  return writer.close();
}

let scripted: Promise<Uint8Array> | undefined;
/** index.mjs, whose `handler` is the scripted one. */
export const scriptedCode = (): Promise<Uint8Array> => (scripted ??= zipOf({ "index.mjs": SCRIPTED }));

export const lambdaClient = (account: LambdaAccount, region = account.region): LambdaClient =>
  new LambdaClient({
    ...{ endpoint: account.endpoint, region, credentials: account.credentials, maxAttempts: 1 },
  });

export interface Outcome {
  readonly status: number;
  readonly functionError: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the function answers
  readonly payload: any;
  readonly logTail: string;
}

export interface FunctionUnderTest {
  readonly name: string;
  readonly client: LambdaClient;
  invoke(event: object, more?: Partial<InvokeCommandInput>): Promise<Outcome>;
}

let functions = 0;

/** A new function, ready to be invoked. */
export async function createFunction(
  account: LambdaAccount,
  more: Partial<CreateFunctionCommandInput> = {},
): Promise<FunctionUnderTest> {
  const client = lambdaClient(account);
  functions += 1;
  const name = `f${process.pid}-${functions}`;
  const input: CreateFunctionCommandInput = {
    ...{ FunctionName: name, Runtime: "nodejs24.x", Handler: "index.handler", Role: account.roleArn },
    ...{ Code: { ZipFile: await scriptedCode() }, Timeout: 10, MemorySize: 256 },
    ...more,
  };
  await client.send(new CreateFunctionCommand(input));
  await waitUntilFunctionActiveV2(
    { client, maxWaitTime: 10, minDelay: 0.05, maxDelay: 0.1 },
    { FunctionName: name },
  );
  const invoke = async (event: object, input: Partial<InvokeCommandInput> = {}): Promise<Outcome> => {
    const Payload = JSON.stringify(event);
    const answer = await client.send(
      new InvokeCommand({ FunctionName: name, Payload, LogType: "Tail", ...input }),
    );
    const text = Buffer.from(answer.Payload ?? []).toString();
    return {
      status: answer.StatusCode!,
      functionError: answer.FunctionError,
      payload: text === "" ? undefined : JSON.parse(text),
      logTail: Buffer.from(answer.LogResult ?? "", "base64").toString(),
    };
  };
  return { name, client, invoke };
}
