import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { kinglet } from "../cli/kinglet.ts";
import { describeWith, type S3Service } from "../services/services.ts";
import { withEnv } from "../support/job-stores.ts";
import { rejection, temporaryFolder, testPool } from "../support/pools.ts";
import { s3Url } from "../support/remote.ts";

const HOUR_MS = 3_600_000;

interface Unusable {
  readonly what: string;
  readonly env?: (s3: S3Service) => Record<string, string>;
  readonly storage?: (s3: S3Service, bucket: string) => string | Promise<string>;
  readonly clockBehindMs?: number;
  readonly code: string;
  readonly says: RegExp;
  /** What to do. */
  readonly remedy: RegExp;
}

const CASES: readonly Unusable[] = [
  {
    what: "an access key that the server doesn't know",
    env: () => ({ AWS_ACCESS_KEY_ID: "NOBODY" }),
    code: "STORE_REFUSED",
    says: /doesn't know the access key/,
    remedy: /AWS_ACCESS_KEY_ID/,
  },
  {
    what: "a wrong secret",
    env: () => ({ AWS_SECRET_ACCESS_KEY: "wrong" }),
    code: "STORE_REFUSED",
    says: /secret access key doesn't belong to the access key/,
    remedy: /AWS_SECRET_ACCESS_KEY/,
  },
  {
    what: "a bucket that isn't there",
    storage: (s3) => s3Url("no-such-bucket", "p", s3),
    code: "STORE_REFUSED",
    says: /there is no bucket "no-such-bucket"/,
    remedy: /aws s3 mb s3:\/\/no-such-bucket/,
  },
  {
    what: "no permission to write",
    env: ({ reader }) => ({
      AWS_ACCESS_KEY_ID: reader.accessKeyId,
      AWS_SECRET_ACCESS_KEY: reader.secretAccessKey,
    }),
    code: "STORE_UNWRITABLE",
    says: /may not write in the bucket/,
    remedy: /s3:PutObject/,
  },
  {
    what: "another region",
    storage: async ({ region }) => s3Url("elsewhere", "p", { endpoint: await serverElsewhere(), region }),
    code: "STORE_REFUSED",
    says: /"elsewhere" is not in us-east-1 but in eu-central-1/,
    remedy: /AWS_REGION=eu-central-1/,
  },
  {
    what: "a clock that is wrong",
    clockBehindMs: HOUR_MS,
    code: "STORE_REFUSED",
    says: /clock is (59|60|61) minutes behind the server's/,
    remedy: /Set the clock/,
  },
  {
    what: "an endpoint where nothing listens",
    storage: ({ region }, bucket) => s3Url(bucket, "p", { endpoint: "http://127.0.0.1:1", region }),
    code: "STORE_UNAVAILABLE",
    says: /127\.0\.0\.1:1: nothing listens there/,
    remedy: /Check the endpoint/,
  },
];

const servers: { close(): unknown }[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const server of servers.splice(0)) server.close();
});

/** Says what AWS says of a bucket in another region; radosgw has none. */
async function serverElsewhere(): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(400, { "content-type": "application/xml" });
    response.end(
      "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The region is wrong; expecting 'eu-central-1'</Message>" +
        "<Region>eu-central-1</Region></Error>",
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describeWith(
  "s3",
  "storage that can't be used is one clear error before any task starts, and doctor's finding",
  (s3) => {
    it.each(CASES)("$what", async ({ env, storage, clockBehindMs, code, says, remedy }) => {
      const bucket = await s3().makeBucket();
      const url = storage ? await storage(s3(), bucket) : s3Url(bucket, "p", s3());
      const folder = temporaryFolder();
      const marker = path.join(folder, "a-task-ran");
      const variables = { ...s3().env, ...env?.(s3()) };
      if (clockBehindMs) {
        const nowMs = Date.now.bind(Date);
        vi.spyOn(Date, "now").mockImplementation(() => nowMs() - clockBehindMs);
      }

      const error = await withEnv(variables, async () => {
        const pool = testPool({ storage: url });
        return rejection(
          pool.map(
            async (file: string) => (await import("node:fs")).writeFileSync(file, ""),
            [marker, marker],
          ),
        );
      });
      expect(error).toMatchObject({ code, message: expect.stringMatching(says) });
      expect(error["remedy"]).toMatch(remedy);
      expect(existsSync(marker)).toBe(false);

      const skew = `data:text/javascript,const now=Date.now;Date.now=()=>now()-${clockBehindMs}`;
      const { code: exitCode, stdout } = await kinglet(["doctor", "--json", "--storage", url], {
        cwd: folder,
        env: variables,
        ...(clockBehindMs ? { nodeArgs: ["--import", skew] } : {}),
      });
      expect(exitCode).toBe(1);
      const findings = JSON.parse(stdout) as { what: string; ok: boolean; found: string; remedy?: string }[];
      expect(findings.filter(({ ok }) => !ok)).toMatchObject([
        { what: "storage", found: expect.stringContaining(code), remedy: error["remedy"] },
      ]);
      expect(findings.find(({ what }) => what === "storage")!.found).toMatch(says);
    });
  },
);
