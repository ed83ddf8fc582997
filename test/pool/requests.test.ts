import { afterEach, expect, it } from "vitest";
import { type FaultProxy, openFaultProxy } from "../services/fault-proxy.ts";
import { describeWith } from "../services/services.ts";
import { withEnv } from "../support/job-stores.ts";
import { testPool } from "../support/pools.ts";

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Requests of the driver and of its workers, as the server sees them. */
describeWith("s3", "what jobs cost in S3, in requests", (s3) => {
  const proxies: FaultProxy[] = [];
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.close();
  });

  async function counted(
    use: (pool: ReturnType<typeof testPool>, storage: string) => Promise<unknown>,
    storage?: string,
  ): Promise<number> {
    const proxy = await openFaultProxy({ target: s3().endpoint, seed: 1 });
    proxies.push(proxy);
    const at = storage ?? `s3://${await s3().makeBucket()}/jobs?pathStyle=true`;
    return withEnv({ ...s3().env, AWS_ENDPOINT_URL_S3: proxy.endpoint }, async () => {
      const pool = testPool({ storage: at });
      await use(pool, at);
      await pool.close();
      return proxy.requests;
    });
  }

  it("10,000 no-op tasks: a few dozen", async () => {
    const requests = await counted(async (pool) => {
      expect(await pool.map((n) => n, upTo(10_000))).toEqual(upTo(10_000));
    });
    expect(requests).toBeLessThanOrEqual(100);
  });

  it("10,000 tasks of a millisecond each: no more than 300", async () => {
    const requests = await counted(async (pool) => {
      const results = await pool.map((n) => {
        const end = performance.now() + 1;
        while (performance.now() < end);
        return n;
      }, upTo(10_000));
      expect(results).toEqual(upTo(10_000));
    });
    expect(requests).toBeLessThanOrEqual(300);
  });

  it("a call of pool.run: what is needed once, and three for the call", async () => {
    const triple = (n: number) => n * 3;
    const first = await counted(async (pool) => expect(await pool.run(triple, 1)).toBe(3));
    const many = await counted(async (pool) => {
      for (let n = 1; n <= 5; n++) expect(await pool.run(triple, n)).toBe(3 * n);
    });
    // The store's check, lease and function; then the input, the outcome, and whether it may be shown.
    expect(first).toBeLessThanOrEqual(12);
    expect((many - first) / 4).toBeLessThanOrEqual(3);
  });

  it("10,000 results of a job of another pool: a few dozen", async () => {
    let storage = "";
    let id = "";
    await counted(async (pool, at) => {
      const job = pool.map((n) => n * 2, upTo(10_000));
      await job;
      [storage, id] = [at, job.id];
    });
    const requests = await counted(async (pool) => {
      expect(await pool.attach(id)).toEqual(upTo(10_000).map((n) => n * 2));
    }, storage);
    expect(requests).toBeLessThanOrEqual(60);
  });

  it("a small map: about as many as a run", async () => {
    const requests = await counted(async (pool) => {
      expect(await pool.map((n) => n + 1, upTo(100))).toHaveLength(100);
    });
    expect(requests).toBeLessThanOrEqual(30);
  });
});
