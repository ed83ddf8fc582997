import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { KeyValueStore } from "../../src/storage/kv/contract.ts";
import { openStoreAt, parseStoreLocation } from "../../src/storage/locate.ts";
import { objectsOnKeys } from "../../src/storage/objects-on-keys/store.ts";
import { parseRedisLocation } from "../../src/storage/redis/location.ts";
import { openRedisKeyValueStore } from "../../src/storage/redis/store.ts";
import { text } from "../conformance/object-store-helpers.ts";
import type { Running } from "../services/radosgw.ts";
import { type RedisFacts, startRedis } from "../services/redis.ts";
import { describeWith } from "../services/services.ts";
import { openTcpFaultProxy } from "../services/tcp-fault-proxy.ts";
import { PATIENCE_MS } from "../support/patience.ts";
import { rejection } from "../support/pools.ts";

const opening = (url: string) => rejection(openStoreAt(parseStoreLocation(url)));
const open = (url: string) => openRedisKeyValueStore(parseRedisLocation(url));

it("says that nothing listens, one server or a cluster", async () => {
  for (const scheme of ["redis", "redis+cluster"]) {
    const error = await opening(`${scheme}://127.0.0.1:1`);
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(error.message).toContain(`can't connect to ${scheme}://127.0.0.1:1`);
  }
});

it("gives up on a server that takes connections and says nothing", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port } = silent.address() as AddressInfo;
  const options = { connectTimeoutMs: 200, stallTimeoutMs: 200 };
  for (const scheme of ["redis", "redis+cluster"]) {
    const location = parseRedisLocation(`${scheme}://127.0.0.1:${port}`);
    expect(await rejection(openRedisKeyValueStore(location, options))).toMatchObject({
      code: "STORE_UNAVAILABLE",
    });
  }
  silent.close();
});

/** A server of this test's own, which it may change and stop. */
describeWith("redis", "a Redis store whose server", () => {
  let folder: string;
  let server: Running<RedisFacts>;
  let admin: Redis;
  const stores: KeyValueStore[] = [];
  const opened = async (url = server.facts.url) => {
    const store = await open(url);
    stores.push(store);
    return store;
  };

  beforeEach(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), "kinglet-redis-"));
    server = await startRedis(folder);
    admin = new Redis(server.facts.url);
    admin.on("error", () => {});
  });
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    admin.disconnect();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
    for (const name of ["KINGLET_REDIS_PASSWORD", "REDIS_PASSWORD"]) delete process.env[name];
  });

  it("wants a password gets it from the environment, and never shows it", async () => {
    await admin.config("SET", "requirepass", "open-sesame");
    const none = await opening(server.facts.url);
    expect(none).toMatchObject({ code: "STORE_UNWRITABLE" });
    expect(none.message).toMatch(/NOAUTH.*\n.*KINGLET_REDIS_PASSWORD/);
    process.env["KINGLET_REDIS_PASSWORD"] = "wrong-sesame";
    const wrong = await opening(server.facts.url);
    expect(wrong).toMatchObject({ code: "STORE_UNWRITABLE" });
    expect(
      JSON.stringify([wrong.message, wrong.stack, wrong, wrong.cause, String(wrong.cause)]),
    ).not.toContain("sesame");
    process.env["KINGLET_REDIS_PASSWORD"] = "open-sesame";
    await (await opened()).set("k", text("x"));
  });

  it("lets the user do too little says which right is missing", async () => {
    await admin.acl("SETUSER", "reader", "on", ">pw", "~*", "+@read", "+@connection", "+info");
    process.env["REDIS_PASSWORD"] = "pw";
    const error = await opening(server.facts.url.replace("//", "//reader@"));
    expect(error).toMatchObject({ code: "STORE_UNWRITABLE" });
    expect(error.message).toMatch(/NOPERM.*\n.*ACL SETUSER/);
  });

  it("is full, or a replica, says so", async () => {
    const store = await opened();
    await admin.config("SET", "maxmemory", "1");
    const full = await rejection(store.set("k", text("x")));
    expect(full).toMatchObject({ code: "STORE_FULL", key: "k" });
    await admin.config("SET", "maxmemory", "0");
    await admin.replicaof("127.0.0.1", 1);
    expect(await rejection(store.set("k", text("x")))).toMatchObject({ code: "STORE_UNWRITABLE" });
    await admin.replicaof("NO", "ONE");
    await store.set("k", text("x"));
  });

  it("would drop keys to make room is refused", async () => {
    await admin.config("SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru");
    expect((await opening(server.facts.url)).message).toMatch(/allkeys-lru.*\n.*noeviction/);
    await admin.config("SET", "maxmemory-policy", "volatile-lru");
    await (await openStoreAt(parseStoreLocation(server.facts.url))).close();
  });

  it("lacks the database is refused, and data go nowhere else", async () => {
    expect(await opening(`${server.facts.url}/99`)).toMatchObject({ code: "STORE_UNWRITABLE" });
    await (await opened(`${server.facts.url}/3?prefix=p`)).set("k", text("x"));
    expect(await admin.dbsize()).toBe(0);
  });

  it("holds a key that another program wrote says that it is damaged", async () => {
    const store = await opened();
    await admin.set("kinglet:k:short", "x");
    await admin.lpush("kinglet:k:list", "x");
    const [short, other] = await Promise.allSettled([store.get("short"), store.get("other")]);
    expect(short).toMatchObject({ reason: { code: "STORE_CORRUPT", key: "short" } });
    expect(other).toEqual({ status: "fulfilled", value: undefined });
    expect(await rejection(store.append("list", text("x")))).toMatchObject({
      code: "STORE_CORRUPT",
      key: "list",
    });
  });

  it("has forgotten the scripts is sent them again", async () => {
    const store = await opened();
    expect(await store.increment("n")).toBe(1);
    await admin.script("FLUSH");
    expect(await Promise.all([store.increment("n"), store.increment("n")])).toEqual([2, 3]);
    await admin.script("FLUSH");
    expect(await store.append("n", text("0"), { atBytes: 1 })).toEqual({ appended: true, sizeBytes: 2 });
    expect(await store.increment("n")).toBe(31);
  });

  it("goes away and comes back: calls fail meanwhile, and work again, without a new store", async () => {
    const proxy = await openTcpFaultProxy({ target: server.facts, seed: 1 });
    const store = await opened(`redis://${proxy.host}:${proxy.port}`);
    await store.set("k", text("x"));
    const { version } = (await store.getVersioned("k"))!;
    const wait = store.waitForChange("k", version, { timeoutMs: PATIENCE_MS });
    proxy.cut();
    expect(await rejection(store.get("k"))).toMatchObject({ code: "STORE_UNAVAILABLE", key: "k" });
    await admin.set("kinglet:k:k", "stamp-of-12-and a value");
    proxy.mend();
    expect((await wait).changed).toBe(true);
    // The connection is made anew in its own time.
    let value: Uint8Array | undefined;
    while (value === undefined) value = await store.get("k").catch(() => undefined);
    expect(Buffer.from(value).toString()).toBe("and a value");
    await proxy.close();
  });

  it.each([1, 2, 3])(
    "breaks connections at any moment: no increment counts twice (seed %i)",
    async (seed) => {
      const rates = { resetAfter: 0.05, resetBefore: 0.05 };
      const proxy = await openTcpFaultProxy({ target: server.facts, seed });
      const store = await opened(`redis://${proxy.host}:${proxy.port}`);
      proxy.setRates(rates);
      let done = 0;
      let unknown = 0;
      for (let i = 0; i < 150; i += 1) {
        await store.increment("n").then(
          () => (done += 1),
          () => (unknown += 1),
        );
      }
      proxy.setRates({});
      const count = Number(await admin.getrange("kinglet:k:n", 12, -1));
      expect(unknown).toBeGreaterThan(0);
      expect(count).toBeGreaterThanOrEqual(done);
      expect(count).toBeLessThanOrEqual(done + unknown);
      await proxy.close();
    },
  );

  it.each([1, 2, 3])("breaks connections at any moment: logs and puts stay true (seed %i)", async (seed) => {
    const proxy = await openTcpFaultProxy({ target: server.facts, seed });
    const through = objectsOnKeys(await opened(`redis://${proxy.host}:${proxy.port}`));
    const direct = objectsOnKeys(await opened());
    const log = await through.openLog!("log");
    proxy.setRates({ resetAfter: 0.05, resetBefore: 0.05 });
    let expected = "";
    for (let i = 0; i < 60; i += 1) {
      await log.append([text(`${i},`)]);
      expected += `${i},`;
      // Nobody else puts it: it must say that it has.
      expect(await through.put(`o/${i}`, text(`${i}`), { ifAbsent: true })).toEqual({ created: true });
    }
    proxy.setRates({});
    expect(proxy.counts.resetAfter).toBeGreaterThan(0);
    expect(Buffer.from(await direct.get("log")).toString()).toBe(expected);
    await proxy.close();
  });

  it("lets the process end though the store is open", async () => {
    const module = new URL("../../src/storage/redis/store.ts", import.meta.url).href;
    const script = `
      const { openRedisKeyValueStore } = await import(${JSON.stringify(module)});
      const store = await openRedisKeyValueStore({ kind: "redis", url: ${JSON.stringify(server.facts.url)}, prefix: "p" });
      await store.set("k", new Uint8Array(1));
      await store.waitForChange("k", undefined);
      console.log("done");`;
    const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: PATIENCE_MS });
    expect(stdout).toBe("done\n");
  });
});
