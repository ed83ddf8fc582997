import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startDaemon, waitUntil } from "../daemon.ts";
import type { Running, S3Credentials, S3Facts } from "../radosgw.ts";
import type { DoubleSetup } from "./double.ts";
import type { AccountFacts } from "./orders.ts";
import { runtimeFolder } from "./runtime-client.ts";

export interface LambdaFacts extends AccountFacts {
  readonly region: string;
  readonly credentials: S3Credentials;
  readonly s3: S3Facts;
  /** How environments are bounded and frozen. */
  readonly cages: string;
}

const END_LIMIT_MS = 30_000;

/** The double of AWS Lambda, beside the S3 server that functions and drivers use. */
export async function startLambda(
  folder: string,
  s3: S3Facts,
  more: Pick<DoubleSetup, "cages"> = {},
): Promise<Running<LambdaFacts>> {
  const credentials = { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey };
  const setup: DoubleSetup = {
    folder,
    runtimeFolder: runtimeFolder(),
    callers: [
      { name: "kinglet-tests", credentials },
      { name: s3.reader.userId, credentials: s3.reader },
    ],
    s3Port: Number(new URL(s3.endpoint).port),
    ...more,
  };
  const script = path.join(import.meta.dirname, "double.ts");
  const daemon = startDaemon(process.execPath, [script, JSON.stringify(setup)], { folder });
  const ready = path.join(folder, "ready");
  const stop = async () => {
    // By itself it also removes what isn't a process: control groups.
    process.kill(daemon.pid, "SIGTERM");
    const endMs = performance.now() + END_LIMIT_MS;
    while (!daemon.ended() && performance.now() < endMs) await delay(10);
    await daemon.stop();
  };
  try {
    await waitUntil("the double of AWS Lambda", async () => existsSync(ready), [daemon]);
    const facts = JSON.parse(readFileSync(ready, "utf8")) as AccountFacts & { cages: string };
    return { facts: { ...facts, region: s3.region, credentials, s3 }, daemons: [daemon], stop };
  } catch (error) {
    await daemon.stop();
    throw error;
  }
}
