import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import tls from "node:tls";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { bodyOf, parseAnswerHead } from "../../src/storage/s3/http/answer.ts";
import { Connections, type HttpOptions } from "../../src/storage/s3/http/connections.ts";
import type { HttpRequest } from "../../src/storage/s3/http/message.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const MEBIBYTE = 1024 * 1024;
const GET: HttpRequest = { method: "GET", path: "/b/k", headers: { host: "s3.test" } };
const ok = (body: string, more = "") =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Whether a whole request has come: its head, and as many bytes as it announces. */
function isWhole(request: string): boolean {
  const end = request.indexOf("\r\n\r\n");
  const length = Number(/content-length: (\d+)/.exec(request)?.[1] ?? 0);
  return end >= 0 && request.length >= end + 4 + length;
}

interface Peer {
  readonly connections: Connections;
  /** All requests that came, with the number of their connection. */
  readonly requests: { readonly on: number; readonly text: string }[];
}

/** A server that answers each request by writing what `answer` says, piece by piece. */
async function peerOf(
  answer: (request: string, socket: Socket) => readonly string[] | Promise<readonly string[]>,
  options: Partial<HttpOptions> = {},
  make: (serve: (socket: Socket) => void) => Server = createServer,
): Promise<Peer> {
  const requests: { on: number; text: string }[] = [];
  const sockets = new Set<Socket>();
  const server = make((socket) => {
    const on = sockets.size;
    sockets.add(socket.on("error", () => {}));
    let received = "";
    socket.on("data", async (chunk: Buffer) => {
      received += chunk.toString("latin1");
      if (!isWhole(received)) return;
      const request = received;
      received = "";
      requests.push({ on, text: request });
      for (const piece of await answer(request, socket)) {
        socket.write(piece, "latin1");
        await nextTurn();
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const scheme = server instanceof tls.Server ? "https" : "http";
  const origin = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const connections = new Connections(origin, {
    connectTimeoutMs: PATIENCE_MS,
    stallTimeoutMs: PATIENCE_MS,
    ...options,
  });
  closing.push(
    () => connections.close(),
    () => server.close(),
    () => {
      for (const socket of sockets) socket.destroy();
    },
  );
  return { connections, requests };
}

describe("requests to S3", () => {
  it("carry their head and body, and share one connection as long as they follow each other", async () => {
    const { connections, requests } = await peerOf((request) => [ok(request.slice(0, 3))]);
    const put = { ...GET, method: "PUT", body: [Buffer.from("ab"), Buffer.from("c")] } as const;
    for (const request of [GET, put, GET]) {
      const { status, body } = await connections.send(request);
      expect([status, text(body)]).toEqual([200, request.method]);
    }
    expect(requests.map(({ on }) => on)).toEqual([0, 0, 0]);
    expect(requests[0]!.text).toBe("GET /b/k HTTP/1.1\r\nhost: s3.test\r\n\r\n");
    expect(requests[1]!.text).toBe("PUT /b/k HTTP/1.1\r\nhost: s3.test\r\ncontent-length: 3\r\n\r\nabc");
  });

  it("at the same time have connections of their own, which are used again", async () => {
    const waiting: (() => void)[] = [];
    const together = (count: number) => async (): Promise<string[]> => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (waiting.length === count) for (const go of waiting.splice(0)) go();
      });
      return [ok("x")];
    };
    const { connections, requests } = await peerOf(together(3));
    for (let round = 0; round < 2; round += 1) await Promise.all([1, 2, 3].map(() => connections.send(GET)));
    expect(new Set(requests.map(({ on }) => on)).size).toBe(3);
  });

  it("with bodies of many MiB arrive whole, from memory and from a stream", async () => {
    const { connections, requests } = await peerOf(() => [ok("")]);
    const bytes = Buffer.alloc(5 * MEBIBYTE + 3, "0123456789");
    await connections.send({ ...GET, method: "PUT", body: [bytes.subarray(0, 7), bytes.subarray(7)] });
    const chunks = async function* () {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    };
    await connections.send({ ...GET, method: "PUT", body: { sizeBytes: bytes.length, sha256: "", chunks } });
    for (const request of requests) expect(request.text.endsWith(`\r\n\r\n${text(bytes)}`)).toBe(true);
  });

  it("whose headers could say more than they should aren't sent", async () => {
    const { connections, requests } = await peerOf(() => [ok("")]);
    const headers = { host: "s3.test", range: "bytes=0-1\r\nx-evil: 1" };
    await expect(connections.send({ ...GET, headers })).rejects.toThrow("the header range");
    expect(requests).toEqual([]);
  });
});

describe("answers of S3", () => {
  const answersWith = async (answer: readonly string[], request: HttpRequest = GET) => {
    const { connections } = await peerOf((_request, socket) => {
      if (!answer.join("").includes("ength:") && !answer.join("").includes("chunked"))
        setImmediate(async () => {
          for (let i = 0; i < answer.length + 2; i += 1) await nextTurn();
          socket.end();
        });
      return answer;
    });
    return connections.send(request);
  };

  it("may come in pieces of any size, with lengths, in chunks, or until the connection ends", async () => {
    const body = fc.string({ unit: fc.constantFrom("a", "\r", "\n", "0", ";"), maxLength: 40 });
    const cuts = fc.array(fc.nat(80), { maxLength: 6 });
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
    const property = fc.property(body, cuts, sizes, (content, at, chunkSizes) => {
      let chunked = "";
      for (let start = 0, i = 0; start < content.length; i += 1) {
        const piece = content.slice(start, start + chunkSizes[i % chunkSizes.length]!);
        chunked += `${piece.length.toString(16)};x=1\r\n${piece}\r\n`;
        start += piece.length;
      }
      chunked += "0\r\nX-Trailer: 1\r\n\r\n";
      for (const [header, wire] of [
        [`Content-Length: ${content.length}`, content],
        ["Transfer-Encoding: chunked", chunked],
        ["Server: x", content],
      ] as const) {
        const read = bodyOf(parseAnswerHead(`HTTP/1.1 200 OK\r\n${header}`), GET);
        const edges = [...new Set([0, ...at.map((cut) => cut % (wire.length + 1)), wire.length])].sort(
          (a, b) => a - b,
        );
        for (let i = 1; i < edges.length; i += 1) read.take(Buffer.from(wire.slice(edges[i - 1], edges[i])));
        expect(read.complete).toBe(header !== "Server: x");
        expect(read.end()).toBe(true);
        expect(text(read.bytes())).toBe(content);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  it.each([
    ["whose head comes bit by bit", [...ok("hello")], "hello"],
    ["after another one, which is none yet", ["HTTP/1.1 100 Continue\r\n\r\n", ok("hello")], "hello"],
    [
      "in chunks",
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "2\r\nlo\r\n0\r\n\r\n"],
      "hello",
    ],
    ["that end with the connection", ["HTTP/1.1 200 OK\r\n\r\nhel", "lo"], "hello"],
    ["without a body", ["HTTP/1.1 204 No Content\r\n\r\n"], ""],
  ])("%s are read", async (_what, answer, expected) => {
    expect(text((await answersWith(answer)).body)).toBe(expected);
  });

  it("to HEAD have no body, whatever length they tell", async () => {
    const answer = await answersWith(['HTTP/1.1 200 OK\r\nContent-Length: 999\r\nETag: "e"\r\n\r\n'], {
      ...GET,
      method: "HEAD",
    });
    expect(answer).toMatchObject({ status: 200, headers: { "content-length": "999", etag: '"e"' } });
    expect(answer.body.length).toBe(0);
  });

  it("that are ranges are read right into the place that was made for them", async () => {
    const content = "0123456789".repeat(300_000);
    const { connections } = await peerOf((request) => [
      `HTTP/1.1 ${request.includes("range") ? 206 : 200} OK\r\nContent-Length: ${content.length}\r\n\r\n`,
      content,
    ]);
    const place = new Uint8Array(content.length);
    const ranged = await connections.send({
      ...GET,
      headers: { ...GET.headers, range: "x" },
      into: () => place,
    });
    expect(ranged.body).toBe(place);
    expect(text(place)).toBe(content);
    const whole = await connections.send({ ...GET, into: () => place });
    expect(whole.body).not.toBe(place);
    const short = await connections.send({
      ...GET,
      headers: { ...GET.headers, range: "x" },
      into: () => new Uint8Array(3),
    });
    expect(text(short.body)).toBe(content);
  });

  it("that say the connection closes end it, and the next request has a new one", async () => {
    const { connections, requests } = await peerOf(() => [ok("x", "Connection: close\r\n")]);
    await connections.send(GET);
    await connections.send(GET);
    expect(requests.map(({ on }) => on)).toEqual([0, 1]);
  });

  it("may come before the whole body is sent: it is not waited for", async () => {
    const answered = ok("no", "");
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.write(answered));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const connections = new Connections(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      connectTimeoutMs: PATIENCE_MS,
      stallTimeoutMs: PATIENCE_MS,
    });
    closing.push(
      () => connections.close(),
      () => server.close(),
    );
    const endless = {
      sizeBytes: 2 ** 40,
      sha256: "",
      chunks: async function* () {
        for (;;) yield Buffer.alloc(MEBIBYTE);
      },
    };
    const { body } = await connections.send({ ...GET, method: "PUT", body: endless });
    expect(text(body)).toBe("no");
  });
});

describe("what goes wrong between here and S3", () => {
  it.each([
    ["no HTTP", ["SSH-2.0-OpenSSH_9.2\r\n\r\n"], "HTTP_BAD_ANSWER"],
    ["a header that is none", ["HTTP/1.1 200 OK\r\nnothing\r\n\r\n"], "HTTP_BAD_ANSWER"],
    ["a length that is none", ["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], "HTTP_BAD_ANSWER"],
    [
      "a chunk that is none",
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
      "HTTP_BAD_ANSWER",
    ],
    ["more than it announced", [`${ok("x")}y`], "HTTP_BAD_ANSWER"],
    ["a head without an end", [`HTTP/1.1 200 OK\r\n${"x".repeat(70_000)}`, "x"], "HTTP_BAD_ANSWER"],
  ])("%s is an error that says so", async (_what, answer, code) => {
    const { connections } = await peerOf(() => answer);
    await expect(connections.send(GET)).rejects.toMatchObject({ code });
  });

  it("an answer that ends early, or never begins", async () => {
    const short = await peerOf((_request, socket) => {
      setImmediate(() => socket.end());
      return ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"];
    });
    await expect(short.connections.send(GET)).rejects.toMatchObject({ code: "HTTP_ANSWER_SHORT" });
    const none = await peerOf((_request, socket) => {
      socket.end();
      return [];
    });
    await expect(none.connections.send(GET)).rejects.toMatchObject({ code: "HTTP_BROKEN_OFF" });
    const reset = await peerOf((_request, socket) => {
      socket.resetAndDestroy();
      return [];
    });
    await expect(reset.connections.send(GET)).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("an answer that doesn't come, or stops, is given up", async () => {
    const never = await peerOf(() => [], { stallTimeoutMs: 50 });
    await expect(never.connections.send(GET)).rejects.toMatchObject({ code: "HTTP_NO_ANSWER" });
    const stops = await peerOf(() => ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"], {
      stallTimeoutMs: 1000,
    });
    await expect(stops.connections.send(GET)).rejects.toMatchObject({ code: "HTTP_ANSWER_STALLED" });
  });

  it("a signal ends a request with its own reason, before and while it is under way", async () => {
    const { connections } = await peerOf(() => []);
    const reason = new Error("enough");
    await expect(connections.send({ ...GET, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const abort = new AbortController();
    const sent = connections.send({ ...GET, signal: abort.signal });
    setImmediate(() => abort.abort(reason));
    await expect(sent).rejects.toBe(reason);
  });

  it("a body that can't be read ends its request with that error", async () => {
    const { connections } = await peerOf(() => [ok("")]);
    const failure = new Error("the file is gone");
    const chunks = async function* () {
      yield Buffer.alloc(10);
      throw failure;
    };
    const body = { sizeBytes: 100, sha256: "", chunks };
    await expect(connections.send({ ...GET, method: "PUT", body })).rejects.toBe(failure);
  });

  it("a connection that the server closes while nobody uses it is not used again", async () => {
    let closes: (() => void) | undefined;
    const { connections, requests } = await peerOf((_request, socket) => {
      closes = () => socket.destroy();
      return [ok("x")];
    });
    await connections.send(GET);
    closes!();
    for (let i = 0; i < 20; i += 1) await nextTurn();
    await connections.send(GET);
    expect(requests.map(({ on }) => on)).toEqual([0, 1]);
  });

  it("closing ends what is under way, and begins nothing", async () => {
    const { connections } = await peerOf(() => []);
    const sent = connections.send(GET);
    connections.close();
    await expect(sent).rejects.toMatchObject({ code: "HTTP_CLOSED" });
    await expect(connections.send(GET)).rejects.toMatchObject({ code: "HTTP_CLOSED" });
  });
});

describe("over TLS", () => {
  const file = (name: string) =>
    readFileSync(path.join(import.meta.dirname, "../services/tls", name), "utf8");
  const secure = (serve: (socket: Socket) => void) =>
    tls.createServer({ key: file("key.pem"), cert: file("cert.pem") }, serve);

  it("a server whose certificate nobody vouches for is refused", async () => {
    const { connections, requests } = await peerOf(() => [ok("x")], {}, secure);
    await expect(connections.send(GET)).rejects.toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    expect(requests).toEqual([]);
  });

  it("requests and answers of all sizes pass, and later connections go on with the session of the first", async () => {
    const trusted = tls.getCACertificates("default");
    tls.setDefaultCACertificates([...trusted, file("cert.pem")]);
    closing.push(() => tls.setDefaultCACertificates(trusted));
    const content = "0123456789".repeat(200_000);
    let resumed = 0;
    const { connections, requests } = await peerOf(
      (_request, socket) => {
        if ((socket as tls.TLSSocket).isSessionReused()) resumed += 1;
        return [ok(content, "Connection: close\r\n")];
      },
      {},
      secure,
    );
    const put = { ...GET, method: "PUT", body: [Buffer.from(content)] } as const;
    for (const request of [GET, put]) expect(text((await connections.send(request)).body)).toBe(content);
    expect(requests[1]!.text.endsWith(content)).toBe(true);
    expect(resumed).toBe(1);
  });
});
