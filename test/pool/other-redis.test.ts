import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { afterAll, beforeAll, expect, it } from "vitest";
import { kinglet } from "../cli/kinglet.ts";
import type { Running } from "../services/radosgw.ts";
import { type RedisFacts, startRedisWithTls, TLS_FILES } from "../services/redis.ts";
import { describeWith } from "../services/services.ts";
import { keysIn, useStorage } from "../support/job-stores.ts";
import { freshStorage, testPool } from "../support/pools.ts";

/** What a job asks of its store: small and big values, jobs on jobs, other processes, cleaning. */
function keepsJobs(): void {
  it("runs jobs, jobs on their results, and gives them to who attaches", async () => {
    const storage = freshStorage();
    const pool = testPool({ storage });
    const squares = pool.map(
      (n: number) => n * n,
      Array.from({ length: 200 }, (_, i) => i),
    );
    const big = pool.run((bytes: number) => Buffer.alloc(bytes, 7), 3_000_000);
    const sums = pool.map((n: number) => n + 1, squares);
    expect(await sums).toEqual(Array.from({ length: 200 }, (_, i) => i * i + 1));
    expect((await big).equals(Buffer.alloc(3_000_000, 7))).toBe(true);
    await pool.close();
    const other = testPool({ storage });
    expect(await other.attach<number>(sums.id)).toHaveLength(200);
    await other.close();
  });

  it("is cleaned by the command, of everything", async () => {
    const storage = freshStorage();
    const pool = testPool({ storage });
    await pool.map((n: number) => Buffer.alloc(200_000, n), [1, 2, 3]);
    await pool.close();
    expect((await keysIn(storage)).length).toBeGreaterThan(0);
    const { NODE_EXTRA_CA_CERTS } = process.env;
    const options = { cwd: os.tmpdir(), env: { NODE_EXTRA_CA_CERTS } };
    const { code, stderr } = await kinglet(["clean", "--all", "--storage", storage], options);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
    expect(await keysIn(storage)).toEqual([]);
  });
}

describeWith("redisCluster", "a store in a Redis Cluster", (cluster) => {
  useStorage(async () => ({ env: {}, fresh: () => `${cluster().url}?prefix=${randomUUID()}` }));
  keepsJobs();
});

/** A server for the tests of one block. */
function tlsServer(): () => RedisFacts {
  let folder: string;
  let server: Running<RedisFacts> | undefined;
  beforeAll(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), "kinglet-redis-tls-"));
    server = await startRedisWithTls(folder);
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return () => server!.facts;
}

describeWith("redis", "a store in Redis whose certificate nobody vouches for", () => {
  const server = tlsServer();

  it("is refused, and the error says how to trust it", async () => {
    const pool = testPool({ storage: `${server().url}/0` });
    await expect(pool.run((n: number) => n, 1)).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringMatching(/self-signed certificate[\s\S]*NODE_EXTRA_CA_CERTS/),
    });
    await pool.close().catch(() => {});
  });
});

describeWith("redis", "a store in Redis over TLS", () => {
  const server = tlsServer();
  const known = tls.getCACertificates("default");
  useStorage(async () => {
    tls.setDefaultCACertificates([...known, readFileSync(TLS_FILES.cert, "utf8")]);
    return {
      // For workers and commands.
      env: { NODE_EXTRA_CA_CERTS: TLS_FILES.cert },
      fresh: () => `${server().url}/0?prefix=${randomUUID()}`,
    };
  });
  afterAll(() => tls.setDefaultCACertificates(known));
  keepsJobs();
});
