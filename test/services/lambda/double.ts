/**
 * A test double of AWS Lambda, with as many real parts as a machine can hold: AWS's own runtime client runs the
 * function's upload on a real Node, in process trees that see nothing of this machine but what AWS would show them;
 * memory and time end in real kills; requests are signed and checked by AWS's own signer. What it can't show:
 *
 * - that the role's policies allow what a function does: credentials of the store's owner stand in for the role's, and
 *   there is no session token. A caller's actions are refused where a test says so.
 * - the share of a CPU that a small function gets (limits.ts, `memoryMbOfOneCpu`): here each may use all cores.
 * - arm64, and Node versions but this repository's: all runtimes run on the Node that runs the tests.
 * - Amazon Linux, and the AWS SDK that its runtimes bring along: here nothing but the upload can be imported.
 * - networks: environments reach the S3 server of the tests alone, on loopback; distance, DNS and TLS have no part.
 * - /tmp counts against the memory where that is a cgroup's: here it lies in memory.
 * - versions, aliases, layers, images, streamed responses, provisioned concurrency, SnapStart, code from S3.
 * - a second run of an init that failed, and how long AWS's own steps take: limits.ts shortens them.
 *
 * Usage: double.ts <JSON of `DoubleSetup`>. Says in `<folder>/ready` where it listens; ends on SIGTERM.
 */
import { writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import path from "node:path";
import { Account, type AccountOptions, type Caller } from "./account.ts";
import { bestCageKind, type CageKind, removeStaleGroups } from "./cage.ts";
import type { Platform } from "./environment.ts";
import { serveAccount } from "./front.ts";
import type { AccountFacts } from "./orders.ts";
import { RuntimeApi } from "./runtime-api.ts";
import { Sandboxes } from "./sandbox.ts";

export interface DoubleSetup {
  readonly folder: string;
  readonly runtimeFolder: string;
  /** Who may ask; environments act as the first. */
  readonly callers: readonly Caller[];
  /** Of the S3 server that environments reach at the same address. */
  readonly s3Port: number;
  readonly cages?: CageKind;
}

const RUNTIME_PORT = 9001;
const LAMBDA_TRUST = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
});
const FIRST_ACCOUNT = 100_000_000_001;

const setup = JSON.parse(process.argv[2]!) as DoubleSetup;
const accounts = new Map<Account, Server>();

const sandboxes = await Sandboxes.open(setup.folder, {
  nodeBinary: process.execPath,
  runtimeFolder: setup.runtimeFolder,
  ports: { runtime: RUNTIME_PORT, s3: setup.s3Port },
});
const runtimeApi = new RuntimeApi(sandboxes.servers.get("runtime")!);
sandboxes.servers.get("s3")!.on("connection", (inside) => {
  const outside = connect({ port: setup.s3Port, host: "127.0.0.1", noDelay: true });
  inside.setNoDelay().pipe(outside).pipe(inside);
  inside.on("error", () => outside.destroy());
  outside.on("error", () => inside.destroy());
});
await removeStaleGroups();
const platform: Platform = {
  ...{ sandboxes, runtimeApi, runtimePort: RUNTIME_PORT },
  cages: setup.cages ?? bestCageKind(),
};

async function openAccount(options: AccountOptions): Promise<AccountFacts> {
  const id = String(FIRST_ACCOUNT + accounts.size);
  const account = new Account(id, path.join(setup.folder, `account-${id}`), setup.callers, platform, options);
  const role = account.roles.addEstablished("established-role", LAMBDA_TRUST);
  const server = serveAccount(account, openAccount);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 1024, resolve));
  accounts.set(account, server);
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { endpoint, accountId: id, callerArn: account.arnOf(setup.callers[0]!), roleArn: role.arn };
}

async function end(): Promise<void> {
  for (const server of accounts.values()) server.close().closeAllConnections();
  await Promise.all([...accounts.keys()].map((account) => account.close()));
  runtimeApi.close();
  await sandboxes.close();
  process.exit(0);
}

process.on("SIGTERM", end);
const first = await openAccount({});
writeFileSync(path.join(setup.folder, "ready"), JSON.stringify({ ...first, cages: platform.cages }));
