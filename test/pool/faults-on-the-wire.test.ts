import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import { JOURNALS } from "../../src/job/keys.ts";
import { openStoreAt, parseStoreLocation } from "../../src/storage/locate.ts";
import type { HttpFault } from "../services/fault-proxy.ts";
import { describeWith } from "../services/services.ts";
import { amount } from "../support/part.ts";
import { MUCH } from "../support/patience.ts";
import { testPool } from "../support/pools.ts";
import { eventually, startNode } from "../support/processes.ts";
import { s3Url, testProxy, useCredentials } from "../support/remote.ts";

const DRIVER = path.join(import.meta.dirname, "scripts/nonces.ts");
const SEEDS = amount({ short: 2, long: 20 });
const TASKS = 60;
/** About every sixth request goes wrong. */
const RATES: Readonly<Record<HttpFault, number>> = {
  resetBefore: 0.03,
  resetAfter: 0.04,
  slowDown: 0.01,
  truncated: 0.02,
  slowBody: 0.02,
  stall: 0.01,
  reordered: 0.02,
  corrupted: 0.02,
  corruptedUpload: 0.02,
};

/** Kinds of faults, and the method of requests that they can happen to. */
const ONCE_EACH: readonly (readonly [HttpFault, string])[] = [
  ["corruptedUpload", "PUT"],
  ["resetAfter", "PUT"],
  ["truncated", "GET"],
  ["corrupted", "GET"],
  ["slowBody", "GET"],
  ["stall", "PUT"],
  ["resetBefore", "GET"],
  ["slowDown", "PUT"],
];

describeWith("s3", "a job whose requests go wrong on the wire", (s3) => {
  let restore: () => void;
  let bucket: string;
  const firstSeed = Number(process.env["KINGLET_TEST_SEED"] ?? Date.now() % 1_000_000);
  const happened = new Map<string, number>();

  beforeAll(async () => {
    restore = useCredentials(s3());
    bucket = await s3().makeBucket();
  });
  afterAll(() => restore?.());

  const proxyOf = async (seed: number) => {
    const options = { seed, rates: RATES, stallMs: 300, holdMs: 50, longestBurst: 3 };
    const proxy = await testProxy({ target: s3().endpoint, ...options });
    // A job has few requests: chance alone might leave out a kind of fault.
    const [fault, method] = ONCE_EACH[(seed - firstSeed) % ONCE_EACH.length]!;
    proxy.force(fault, (asked, path) => asked === method && !path.includes("kinglet-store"));
    return proxy;
  };
  const note = (counts: Readonly<Record<string, number>>) => {
    for (const [fault, count] of Object.entries(counts))
      happened.set(fault, (happened.get(fault) ?? 0) + count);
  };
  /** As it lies in the store, read without the proxy. */
  const kept = async (prefix: string, id: string) => {
    const pool = testPool({ storage: s3Url(bucket, prefix, s3()) });
    const values = await pool.attach<string>(id);
    await pool.close();
    return values;
  };

  const onlyJobOf = async (prefix: string): Promise<string> => {
    const store = await openStoreAt(parseStoreLocation(s3Url(bucket, prefix, s3())));
    const ids = new Set<string>();
    for await (const { key } of store.list(JOURNALS)) ids.add(key.split("/")[1]!);
    await store.close();
    expect(ids.size).toBe(1);
    return [...ids][0]!;
  };

  for (let seed = firstSeed; seed < firstSeed + SEEDS; seed++) {
    // Every fourth one loses its driver on the way.
    if (seed % 4 === 0) {
      it(`goes on when its driver is killed (KINGLET_TEST_SEED=${seed})`, MUCH, async () => {
        const proxy = await proxyOf(seed);
        const prefix = `killed-${seed}`;
        const storage = s3Url(bucket, prefix, { endpoint: proxy.endpoint, region: s3().region });
        const started = startNode([DRIVER, storage, String(TASKS), "3"]);
        const lines = 1 + Math.floor(seededRandom(seed)() * TASKS * 0.8);
        // It may also end by itself, where its faults come too thick: then it says why.
        const early = started.finished.then(({ stderr }) => {
          throw new Error(`the driver ended by itself: ${stderr}`);
        });
        const printed = () => started.stdout().split("\n").length > lines;
        await Promise.race([eventually("output of the driver", printed), early]);
        early.catch(() => {});
        started.child.kill("SIGKILL");
        const { stdout } = await started.finished;
        const seen = stdout.slice(0, stdout.lastIndexOf("\n") + 1).match(/^\d+ \S+$/gm) ?? [];

        const pool = testPool({ storage });
        const id = await onlyJobOf(prefix);
        const values = await pool.attach<string>(id);
        await pool.close();
        expect(values.map((value) => Number(value.split(":")[0]))).toEqual(numbers);
        for (const line of seen) {
          const [index, value] = line.split(" ");
          expect(values[Number(index)], `task ${index} has two truths`).toBe(value);
        }
        note(proxy.counts);
        expect(await kept(prefix, id)).toEqual(values);
      });
    } else {
      it(
        `gives what it gives without faults, each outcome once (KINGLET_TEST_SEED=${seed})`,
        MUCH,
        async () => {
          const proxy = await proxyOf(seed);
          const prefix = `job-${seed}`;
          const pool = testPool({
            storage: s3Url(bucket, prefix, { endpoint: proxy.endpoint, region: s3().region }),
          });
          const job = pool.map((n: number) => `${n}:${"x".repeat((n * 7919) % 3000)}`, numbers, { batch: 4 });
          const seen = new Map<number, string>();
          for await (const { index, value } of job.completed()) {
            expect(seen.has(index), `task ${index} came twice`).toBe(false);
            seen.set(index, value);
          }
          const values = await job;
          await pool.close();
          expect(values).toEqual(numbers.map((n) => `${n}:${"x".repeat((n * 7919) % 3000)}`));
          for (const [index, value] of seen) expect(value).toBe(values[index]);
          expect(seen.size).toBe(TASKS);
          note(proxy.counts);
          expect(await kept(prefix, job.id)).toEqual(values);
        },
      );
    }
  }

  it("met every kind of fault that was ordered on its way", () => {
    for (const [fault] of ONCE_EACH.slice(0, SEEDS)) expect(happened.get(fault), fault).toBeGreaterThan(0);
  });
});

const numbers = Array.from({ length: TASKS }, (_, i) => i);
