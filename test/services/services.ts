import { beforeAll, describe, it } from "vitest";
import { HOW_TO_INSTALL, missingParts, NEEDS, type ServiceName } from "./binaries.ts";
import { askKeeper, SOCKET_VARIABLE } from "./keeper-process.ts";
import { LambdaAccount } from "./lambda/account-client.ts";
import type { LambdaFacts } from "./lambda/start.ts";
import type { S3Facts } from "./radosgw.ts";
import type { RedisClusterFacts, RedisFacts } from "./redis.ts";

export interface S3Service extends S3Facts {
  /** What a process needs in its environment to use the server. */
  readonly env: Readonly<Record<string, string>>;
  /** A new, empty bucket. @returns its name */
  makeBucket(): Promise<string>;
}

export interface Services {
  readonly s3: S3Service;
  readonly redis: RedisFacts;
  readonly redisCluster: RedisClusterFacts;
  readonly lambda: LambdaAccount;
}

/**
 * Real S3 (radosgw), started by the first test of the run that asks. Shared: make a bucket of your own.
 *
 * @throws Error if it isn't installed or can't start. Use `describeWith` to leave tests out where it isn't installed.
 */
export async function s3Service(): Promise<S3Service> {
  const facts = await ask<S3Facts>("s3");
  return {
    ...facts,
    env: {
      AWS_ENDPOINT_URL_S3: facts.endpoint,
      AWS_REGION: facts.region,
      AWS_ACCESS_KEY_ID: facts.accessKeyId,
      AWS_SECRET_ACCESS_KEY: facts.secretAccessKey,
    },
    makeBucket: async () => (await ask<{ bucket: string }>("bucket", "s3")).bucket,
  };
}

/** A real Redis server. Shared: use a key prefix of your own, and never FLUSHALL. @throws as `s3Service` */
export const redisService = (): Promise<RedisFacts> => ask("redis");

/** A real Redis cluster of three shards. Shared, too. @throws as `s3Service` */
export const redisClusterService = (): Promise<RedisClusterFacts> => ask("redisCluster");

/**
 * A double of AWS Lambda with real parts, and the S3 server that its functions use. Shared: name your functions apart,
 * and open an account of your own to set limits, deny actions, order faults or count environments. @throws as `s3Service`
 */
export const lambdaService = async (): Promise<LambdaAccount> =>
  new LambdaAccount(await ask<LambdaFacts>("lambda"));

const STARTS: { [Name in ServiceName]: () => Promise<Services[Name]> } = {
  s3: s3Service,
  redis: redisService,
  redisCluster: redisClusterService,
  lambda: lambdaService,
};

/**
 * As `describe`, for tests that need a real server. It is started before the first of them. Where it isn't installed
 * they are left out, which the end of the run says loudly, and with `CI` set that fails.
 *
 * @param body declares the tests; `service()` is there once they run
 *
 * @example
 * describeWith("s3", "listing", (s3) => {
 *   it("…", async () => connect(s3().endpoint, await s3().makeBucket()));
 * });
 */
export function describeWith<Name extends ServiceName>(
  name: Name,
  title: string,
  body: (service: () => Services[Name]) => void | Promise<void>,
): void {
  let service: Services[Name] | undefined;
  const current = () => service!;
  const missing = missingParts(name);
  if (missing.length === 0) {
    describe(title, async () => {
      beforeAll(async () => {
        service = await STARTS[name]();
      });
      await body(current);
    });
  } else if (process.env["CI"]) {
    describe(title, () => {
      it(`has ${NEEDS[name].title}`, () => {
        throw new Error(notInstalled(name));
      });
    });
  } else {
    describe.skip(`${title} ${LEFT_OUT}${NEEDS[name].title})`, () => body(current));
  }
}

/** In titles; scripts/closing-line.mjs looks for it. */
const LEFT_OUT = "(left out, needs ";

const notInstalled = (name: ServiceName): string =>
  `${NEEDS[name].title} isn't installed: no ${missingParts(name).join(", ")}. Run: ${HOW_TO_INSTALL}`;

function ask<T>(what: string, service: ServiceName = what as ServiceName): Promise<T> {
  if (missingParts(service).length > 0) throw new Error(notInstalled(service));
  const socket = process.env[SOCKET_VARIABLE];
  if (!socket) throw new Error(`${SOCKET_VARIABLE} isn't set; vitest's global setup sets it`);
  return askKeeper(socket, what);
}
