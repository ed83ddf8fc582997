import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { describeWith } from "./services.ts";
import { openTcpFaultProxy, type TcpFault, type TcpFaultProxy } from "./tcp-fault-proxy.ts";

describeWith("redis", "the fault proxy before Redis", (redis) => {
  const withProxy = async (use: (proxy: TcpFaultProxy, client: Redis) => Promise<void>) => {
    const proxy = await openTcpFaultProxy({ target: redis(), seed: 1, slowMs: 1 });
    const client = new Redis({ host: proxy.host, port: proxy.port, maxRetriesPerRequest: 0 });
    client.on("error", () => {});
    try {
      await client.ping();
      await use(proxy, client);
    } finally {
      client.disconnect();
      await proxy.close();
    }
  };
  const breaking = (fault: TcpFault, reachesServer: boolean) =>
    withProxy(async (proxy, client) => {
      const key = `tcp-fault-${fault}`;
      proxy.setRates({ [fault]: 1 });
      await expect(client.set(key, "1")).rejects.toThrow();
      expect(proxy.counts[fault]).toBeGreaterThan(0);
      proxy.setRates({});
      const direct = new Redis(redis().url);
      expect(await direct.get(key)).toBe(reachesServer ? "1" : null);
      await direct.quit();
    });

  it("passes on what it gets", () =>
    withProxy(async (proxy, client) => {
      await client.set("tcp-fault-none", "x".repeat(1 << 20));
      expect(await client.strlen("tcp-fault-none")).toBe(1 << 20);
      expect(Object.values(proxy.counts).every((count) => count === 0)).toBe(true);
    }));

  it("refuses connections", () =>
    withProxy(async (proxy) => {
      proxy.setRates({ refused: 1 });
      const client = new Redis({ host: proxy.host, port: proxy.port, maxRetriesPerRequest: 0 });
      client.on("error", () => {});
      await expect(client.ping()).rejects.toThrow();
      expect(proxy.counts.refused).toBeGreaterThan(0);
      client.disconnect();
    }));

  it("resets before the server has seen the command", () => breaking("resetBefore", false));
  it("resets after the server has done it", () => breaking("resetAfter", true));
  it("lets a part of a command through", () => breaking("torn", false));

  it("holds commands back, in order", () =>
    withProxy(async (proxy, client) => {
      proxy.setRates({ slow: 1 });
      const values = await Promise.all(Array.from({ length: 20 }, () => client.incr("tcp-fault-slow")));
      expect(values.map((value) => value - values[0]!)).toEqual(values.map((_, i) => i));
      expect(proxy.counts.slow).toBeGreaterThan(0);
    }));

  it("cuts all connections until they are mended", () =>
    withProxy(async (proxy, client) => {
      proxy.cut();
      await expect(client.ping()).rejects.toThrow();
      proxy.mend();
      await client.ping();
      expect(proxy.connections).toBeGreaterThan(1);
    }));
});
