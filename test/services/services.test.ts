import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Cluster, Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { eventually, startNode } from "../support/processes.ts";
import { missingBinaries } from "./binaries.ts";
import { askKeeper, socketIn } from "./keeper-process.ts";
import type { RedisFacts } from "./redis.ts";
import { describeWith } from "./services.ts";

describeWith("s3", "the S3 service", (s3) => {
  const clientOf = (credentials: { accessKeyId: string; secretAccessKey: string }) =>
    new S3Client({ endpoint: s3().endpoint, region: s3().region, credentials, forcePathStyle: true });

  it("keeps objects in buckets", async () => {
    const [Bucket, client] = [await s3().makeBucket(), clientOf(s3())];
    await client.send(new PutObjectCommand({ Bucket, Key: "a", Body: "text" }));
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: "a" }));
    expect(await Body!.transformToString()).toBe("text");
  });

  it("gives the bytes to the first conditional put alone", async () => {
    const [Bucket, client] = [await s3().makeBucket(), clientOf(s3())];
    const put = (Body: string) =>
      client.send(new PutObjectCommand({ Bucket, Key: "a", Body, IfNoneMatch: "*" }));
    await put("first");
    await expect(put("second")).rejects.toMatchObject({ name: "PreconditionFailed" });
  });

  it("lets its reader write nothing", async () => {
    const put = new PutObjectCommand({ Bucket: await s3().makeBucket(), Key: "a", Body: "text" });
    await expect(clientOf(s3().reader).send(put)).rejects.toMatchObject({ name: "AccessDenied" });
  });
});

describeWith("redis", "the Redis service", (redis) => {
  it("keeps values", async () => {
    const client = new Redis(redis().url);
    await client.set("services-test", "1");
    expect(await client.get("services-test")).toBe("1");
    await client.quit();
  });
});

describeWith("redisCluster", "the Redis cluster", (cluster) => {
  it("spreads keys over three shards", async () => {
    const client = new Cluster([...cluster().nodes]);
    const keys = Array.from({ length: 30 }, (_, i) => `services-test-${i}`);
    for (const key of keys) await client.set(key, key);
    for (const key of keys) expect(await client.get(key)).toBe(key);
    const filled = await Promise.all(client.nodes("master").map((node) => node.dbsize()));
    expect(filled.filter((count) => count > 0)).toHaveLength(3);
    await client.quit();
  });
});

describe.skipIf(missingBinaries("redis").length > 0)("services end with the run that uses them", () => {
  const KEEPER = path.join(import.meta.dirname, "keeper.ts");
  const KEEPERS_PARENT = path.join(import.meta.dirname, "keepers-parent.ts");
  const newFolder = () => mkdtempSync(path.join(tmpdir(), "kinglet-services-test-"));

  it("when it is killed", async () => {
    const folder = newFolder();
    const parent = startNode([KEEPERS_PARENT, folder]);
    await eventually("the keeper is there", () => parent.stdout().includes("ready"));
    const { port } = await askKeeper<RedisFacts>(socketIn(folder), "redis");
    parent.child.kill("SIGKILL");
    await gone(port);
    await eventually("its folder is removed", () => !existsSync(folder));
  });

  it.runIf(process.platform === "linux")("when the keeper itself is killed", async () => {
    const folder = newFolder();
    const keeper = spawn(process.execPath, [KEEPER, folder], { stdio: ["pipe", "pipe", "inherit"] });
    await once(keeper.stdout, "data");
    const { port } = await askKeeper<RedisFacts>(socketIn(folder), "redis");
    keeper.kill("SIGKILL");
    await gone(port);
    rmSync(folder, { recursive: true });
  });
});

async function gone(port: number): Promise<void> {
  let listens = true;
  const probe = () => {
    const socket = createConnection({ port, host: "127.0.0.1" }, () => {
      socket.destroy();
      probe();
    });
    socket.on("error", () => (listens = false));
  };
  probe();
  await eventually(`nothing listens on port ${port}`, () => !listens);
}
