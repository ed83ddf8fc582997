import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PATIENCE_MS } from "../support/patience.ts";
import { type FaultProxy, type FaultProxyOptions, openFaultProxy } from "./fault-proxy.ts";
import { describeWith } from "./services.ts";

/** A server that says back what it got, and remembers it. */
describe("the fault proxy", () => {
  let server: Server;
  let seen: { method: string; url: string; host: string; body: string }[];
  let proxies: FaultProxy[];

  beforeEach(async () => {
    [seen, proxies] = [[], []];
    server = createServer(async (incoming, response) => {
      const body = await buffer(incoming);
      seen.push({
        method: incoming.method!,
        url: incoming.url!,
        host: incoming.headers.host!,
        body: body.toString(),
      });
      response.setHeader("x-method", incoming.method!);
      response.end(body.length > 0 ? body : `answer to ${incoming.url}`);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(async () => {
    for (const proxy of proxies) await proxy.close();
    server.close();
    server.closeAllConnections();
  });

  const open = async (options: Partial<FaultProxyOptions> = {}) => {
    const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const proxy = await openFaultProxy({ target, seed: 1, ...options });
    proxies.push(proxy);
    return proxy;
  };

  it("passes on what it gets, Host and all, where there is no fault", async () => {
    const proxy = await open();
    const answer = await ask(proxy, "PUT", "/a?b=c%20d", "text");
    expect(answer).toMatchObject({ status: 200, body: "text", headers: { "x-method": "PUT" } });
    expect(seen).toEqual([
      { method: "PUT", url: "/a?b=c%20d", host: new URL(proxy.endpoint).host, body: "text" },
    ]);
    expect((await ask(proxy, "HEAD", "/h")).body).toBe("");
    expect(Object.values(proxy.counts).every((count) => count === 0)).toBe(true);
  });

  it("resets before the server has seen the request", async () => {
    const proxy = await open({ rates: { resetBefore: 1 } });
    await expect(ask(proxy, "PUT", "/a", "text")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(seen).toEqual([]);
    expect(proxy.counts.resetBefore).toBe(1);
  });

  it("resets after the server has done it", async () => {
    const proxy = await open({ rates: { resetAfter: 1 } });
    await expect(ask(proxy, "PUT", "/a", "text")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(seen).toMatchObject([{ body: "text" }]);
    expect(proxy.counts.resetAfter).toBe(1);
  });

  it("says SlowDown in bursts", async () => {
    const proxy = await open({ seed: 3, rates: { slowDown: 0.1 }, longestBurst: 4 });
    const statuses: number[] = [];
    for (let i = 0; i < 200; i++) statuses.push((await ask(proxy, "PUT", `/${i}`, "text")).status);
    const bursts = statuses.join(" ").match(/503( 503)*/g)!;
    expect(bursts.some((burst) => burst.length > 3)).toBe(true);
    expect(seen).toHaveLength(200 - proxy.counts.slowDown);
    expect(statuses.filter((status) => status === 503)).toHaveLength(proxy.counts.slowDown);
  });

  it("cuts an answer short", async () => {
    const proxy = await open({ rates: { truncated: 1 } });
    await expect(ask(proxy, "GET", "/a")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(proxy.counts.truncated).toBe(1);
  });

  it("gives an answer slowly, and whole", async () => {
    const proxy = await open({ rates: { slowBody: 1 } });
    expect((await ask(proxy, "GET", "/a")).body).toBe("answer to /a");
    expect(proxy.counts.slowBody).toBe(1);
  });

  it("stalls until the client gives up, before or after the server has seen the request", async () => {
    const proxy = await open({ seed: 5, rates: { stall: 1 } });
    const asked = Array.from({ length: 12 }, () => ask(proxy, "PUT", "/a", "text", 1000));
    for (const end of await Promise.allSettled(asked))
      expect(end).toMatchObject({ reason: new Error("gave up") });
    expect(proxy.counts.stall).toBe(12);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.length).toBeLessThan(12);
  });

  it("lets later answers overtake earlier ones", async () => {
    const proxy = await open({ holdMs: 20_000 });
    const order: string[] = [];
    const slow = (path: string) => ask(proxy, "GET", path).then(() => order.push(path));
    proxy.force("reordered");
    const first = slow("/first");
    while (seen.length < 1) await new Promise(setImmediate);
    await slow("/second");
    await first;
    expect(order).toEqual(["/second", "/first"]);
    expect(proxy.counts.reordered).toBe(1);
  });

  it("makes a byte of the answer wrong", async () => {
    const proxy = await open({ rates: { corrupted: 1 } });
    const { body } = await ask(proxy, "GET", "/a");
    expect(body).not.toBe("answer to /a");
    expect(proxy.counts.corrupted).toBe(1);
  });

  it("makes a byte of the request wrong", async () => {
    const proxy = await open({ rates: { corruptedUpload: 1 } });
    await ask(proxy, "PUT", "/a", "text");
    expect(seen[0]!.body).not.toBe("text");
    expect(proxy.counts.corruptedUpload).toBe(1);
  });

  it("does to one request what a test wants", async () => {
    const proxy = await open();
    proxy.force("resetBefore", (method, path) => method === "PUT" && path === "/b");
    expect((await ask(proxy, "PUT", "/a", "text")).status).toBe(200);
    await expect(ask(proxy, "PUT", "/b", "text")).rejects.toThrow();
    expect((await ask(proxy, "PUT", "/b", "text")).status).toBe(200);
  });

  it("replays the same faults for the same seed, and others for another", async () => {
    const run = async (seed: number) => {
      const proxy = await open({ seed, rates: { resetBefore: 0.2, slowDown: 0.1, truncated: 0.1 } });
      const ends: string[] = [];
      for (let i = 0; i < 60; i++) {
        const end = ask(proxy, "GET", `/${i}`).then(
          ({ status }) => String(status),
          () => "broken",
        );
        ends.push(await end);
      }
      return { ends, counts: { ...proxy.counts } };
    };
    const first = await run(11);
    expect(await run(11)).toEqual(first);
    expect(await run(12)).not.toEqual(first);
    expect(first.counts.resetBefore).toBeGreaterThan(0);
  });
});

describeWith("s3", "the fault proxy before S3", (s3) => {
  it("keeps signatures valid, and S3 refuses a body with a wrong byte", async () => {
    const proxy = await openFaultProxy({ target: s3().endpoint, seed: 1 });
    const client = new S3Client({
      ...{ endpoint: proxy.endpoint, region: s3().region, credentials: s3() },
      ...{ forcePathStyle: true, maxAttempts: 1, requestChecksumCalculation: "WHEN_REQUIRED" },
    });
    const Bucket = await s3().makeBucket();
    const put = () => client.send(new PutObjectCommand({ Bucket, Key: "a", Body: "text" }));
    await put();
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: "a" }));
    expect(await Body!.transformToString()).toBe("text");
    proxy.force("corruptedUpload");
    await expect(put()).rejects.toMatchObject({ name: "XAmzContentSHA256Mismatch" });
    client.destroy();
    await proxy.close();
  });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** One request on a connection of its own. @throws the error of the connection, or "gave up" after `limitMs` */
async function ask(
  proxy: FaultProxy,
  method: string,
  path: string,
  body?: string,
  limitMs = PATIENCE_MS,
): Promise<Answer> {
  const asked = request(proxy.endpoint + path, { method, agent: false });
  asked.setTimeout(limitMs, () => asked.destroy(new Error("gave up")));
  asked.end(body);
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  const bytes = await buffer(answer);
  return { status: answer.statusCode!, headers: answer.headers, body: bytes.toString() };
}
