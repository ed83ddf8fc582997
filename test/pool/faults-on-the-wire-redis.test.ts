import path from "node:path";
import { afterEach, expect, it } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import { JOURNALS } from "../../src/job/keys.ts";
import { describeWith } from "../services/services.ts";
import { openTcpFaultProxy, type TcpFault, type TcpFaultProxy } from "../services/tcp-fault-proxy.ts";
import { keysIn } from "../support/job-stores.ts";
import { amount } from "../support/part.ts";
import { MUCH } from "../support/patience.ts";
import { testPool } from "../support/pools.ts";
import { eventually, startNode } from "../support/processes.ts";

const DRIVER = path.join(import.meta.dirname, "scripts/nonces.ts");
const SEEDS = amount({ short: 2, long: 8 });
const TASKS = 60;
/** Of what a connection carries to the server; each but `slow` ends it. */
const RATES: Readonly<Record<TcpFault, number>> = {
  refused: 0.1,
  resetBefore: 0.03,
  resetAfter: 0.04,
  torn: 0.03,
  slow: 0.05,
};

describeWith("redis", "a job whose connections to Redis break", (redis) => {
  const firstSeed = Number(process.env["KINGLET_TEST_SEED"] ?? Date.now() % 1_000_000);
  const happened = new Map<string, number>();
  const proxies: TcpFaultProxy[] = [];
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) {
      for (const [fault, count] of Object.entries(proxy.counts))
        happened.set(fault, (happened.get(fault) ?? 0) + count);
      await proxy.close();
    }
  });

  /** The same store, through a proxy that breaks connections, and without one. */
  const storages = async (seed: number) => {
    const proxy = await openTcpFaultProxy({ target: redis(), seed, rates: RATES, slowMs: 5 });
    proxies.push(proxy);
    const prefix = `wire-${process.pid}-${seed}`;
    return {
      broken: `redis://${proxy.host}:${proxy.port}/0?prefix=${prefix}`,
      whole: `${redis().url}/0?prefix=${prefix}`,
    };
  };
  const kept = async (storage: string, id: string) => {
    const pool = testPool({ storage });
    const values = await pool.attach<string>(id);
    await pool.close();
    return values;
  };

  for (let seed = firstSeed; seed < firstSeed + SEEDS; seed++) {
    if (seed % 4 === 0) {
      it(`goes on when its driver is killed (KINGLET_TEST_SEED=${seed})`, MUCH, async () => {
        const { broken, whole } = await storages(seed);
        const started = startNode([DRIVER, broken, String(TASKS), "3"]);
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
        const id = (await keysIn(whole, JOURNALS))[0]!.split("/")[1]!;
        const values = await kept(broken, id);
        expect(values.map((value) => Number(value.split(":")[0]))).toEqual(numbers);
        for (const line of seen) {
          const [index, value] = line.split(" ");
          expect(values[Number(index)], `task ${index} has two truths`).toBe(value);
        }
        expect(await kept(whole, id)).toEqual(values);
      });
    } else {
      it(
        `gives what it gives without faults, each outcome once (KINGLET_TEST_SEED=${seed})`,
        MUCH,
        async () => {
          const { broken, whole } = await storages(seed);
          const pool = testPool({ storage: broken });
          const job = pool.map((n: number) => `${n}:${"x".repeat((n * 7919) % 3000)}`, numbers, { batch: 4 });
          const seen = new Map<number, string>();
          for await (const { index, value } of job.completed()) {
            expect(seen.has(index), `task ${index} came twice`).toBe(false);
            seen.set(index, value);
          }
          const values = await job;
          await pool.close();
          expect(values).toEqual(numbers.map((n) => `${n}:${"x".repeat((n * 7919) % 3000)}`));
          expect([...seen.keys()].sort((a, b) => a - b)).toEqual(numbers);
          expect(await kept(whole, job.id)).toEqual(values);
        },
      );
    }
  }

  it("met faults on its way", () => {
    const broken = ["refused", "resetBefore", "resetAfter", "torn"].map((fault) => happened.get(fault) ?? 0);
    expect(broken.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(amount({ short: 0, long: 8 }));
  });
});

const numbers = Array.from({ length: TASKS }, (_, i) => i);
