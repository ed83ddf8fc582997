import type { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import type { IAM } from "@aws-sdk/client-iam";
import type { Lambda } from "@aws-sdk/client-lambda";
import type { STS } from "@aws-sdk/client-sts";
import { UsageError } from "../../../errors.ts";

/** AWS's own clients for what is done once, not for each invocation; each package is loaded when it is first needed. */
export interface AwsApis {
  lambda(): Promise<Lambda>;
  iam(): Promise<IAM>;
  logs(): Promise<CloudWatchLogs>;
  sts(): Promise<STS>;
  close(): void;
}

export interface ApiPlace {
  readonly region: string;
  /** Base URL of all of them, in place of AWS's. */
  readonly endpoint?: string;
}

/** They retry by themselves: throttling, 5xx and broken connections. */
const ATTEMPTS = 5;

/** The clients' packages, all of them, so that one line installs what deploying needs. */
const INSTALL =
  "npm i @aws-sdk/client-lambda @aws-sdk/client-iam @aws-sdk/client-cloudwatch-logs @aws-sdk/client-sts";

/**
 * The clients for a region, with AWS's own chain of credentials (environment, profiles, SSO, roles).
 * Each of them throws UsageError BAD_CONFIG where its package isn't installed.
 */
export function awsApis({ region, endpoint }: ApiPlace): AwsApis {
  const config = { region, maxAttempts: ATTEMPTS, ...(endpoint ? { endpoint } : {}) };
  const open: { destroy(): void }[] = [];
  const once = <T extends { destroy(): void }>(make: () => Promise<T>): (() => Promise<T>) => {
    let made: Promise<T> | undefined;
    return () =>
      (made ??= make().then((client) => {
        open.push(client);
        return client;
      }));
  };
  return {
    lambda: once(
      async () => new (await load(import("@aws-sdk/client-lambda"), "client-lambda")).Lambda(config),
    ),
    iam: once(async () => new (await load(import("@aws-sdk/client-iam"), "client-iam")).IAM(config)),
    logs: once(
      async () =>
        new (await load(import("@aws-sdk/client-cloudwatch-logs"), "client-cloudwatch-logs")).CloudWatchLogs(
          config,
        ),
    ),
    sts: once(async () => new (await load(import("@aws-sdk/client-sts"), "client-sts")).STS(config)),
    close: () => {
      for (const client of open) client.destroy();
    },
  };
}

async function load<T>(loading: Promise<T>, name: string): Promise<T> {
  try {
    return await loading;
  } catch (cause) {
    throw notInstalled(name, cause);
  }
}

export function notInstalled(name: string, cause: unknown): UsageError {
  return new UsageError("BAD_CONFIG", `AWS's package @aws-sdk/${name} isn't installed, or can't be loaded`, {
    cause,
    remedy: `Making and looking after worker functions needs AWS's clients: ${INSTALL}`,
    details: { package: `@aws-sdk/${name}` },
  });
}
