import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { openS3Store, type S3StoreOptions } from "../../src/storage/s3/store.ts";
import { describeWith } from "../services/services.ts";
import { type Answer, errorXml, LOCATION, ONCE, storeOn } from "./s3-fakes.ts";
import { fixed, newS3Location } from "./s3-stores.ts";

const CREDENTIALS = { accessKeyId: "AK", secretAccessKey: "SK" };

describeWith("s3", "a store that radosgw refuses says so before anything runs", (s3) => {
  const check = async (change: object, options: S3StoreOptions = {}) => {
    const { accessKeyId, secretAccessKey } = s3();
    const location = { ...(await newS3Location(s3())), ...change };
    const store = openS3Store(location, { ...fixed({ accessKeyId, secretAccessKey }), ...ONCE, ...options });
    try {
      await store.check();
    } finally {
      await store.close();
    }
  };

  it("a good one is found good, by three requests, later by two", async () => {
    const { accessKeyId, secretAccessKey } = s3();
    const location = await newS3Location(s3());
    for (const requests of [
      { PUT: 2, GET: 1 },
      { PUT: 1, GET: 1 },
    ]) {
      const store = openS3Store(location, fixed({ accessKeyId, secretAccessKey }));
      await store.check();
      expect(store.requests).toEqual(requests);
      await store.close();
    }
  });

  it("an unknown access key", async () => {
    await expect(check({}, fixed({ accessKeyId: "NOBODY", secretAccessKey: "x" }))).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringMatching(/doesn't know the access key[\s\S]*AWS_ACCESS_KEY_ID/),
    });
  });

  it("a wrong secret", async () => {
    const { accessKeyId } = s3();
    await expect(check({}, fixed({ accessKeyId, secretAccessKey: "wrong" }))).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringContaining("secret access key doesn't belong"),
    });
  });

  it("a bucket that isn't there", async () => {
    await expect(check({ bucket: "no-such-bucket" })).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringMatching(/no bucket "no-such-bucket"[\s\S]*aws s3 mb/),
    });
  });

  it("no permission to write", async () => {
    await expect(check({}, fixed(s3().reader))).rejects.toMatchObject({
      code: "STORE_UNWRITABLE",
      message: expect.stringMatching(/may not write in the bucket[\s\S]*s3:PutObject/),
    });
  });

  it("a clock that is wrong", async () => {
    const clock = { nowMs: () => Date.now() - 3_600_000, after: () => () => {} };
    await expect(check({}, { clock })).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringMatching(/clock is (59|60|61) minutes behind the server's/),
    });
  });
});

describe("a store that a server refuses", () => {
  const refusal = (answer: Answer) =>
    storeOn(() => answer)
      .check()
      .then(
        () => undefined,
        (error: { code: string; message: string }) => error,
      );

  it.each([
    [
      "in another region, as AWS says it to a PUT",
      {
        status: 400,
        body: errorXml("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
      },
      "STORE_REFUSED",
      /not in us-east-1 but in eu-west-1[\s\S]*AWS_REGION=eu-west-1/,
    ],
    [
      "in another region, as a redirection",
      { status: 301, headers: { "x-amz-bucket-region": "ap-south-1" }, body: errorXml("PermanentRedirect") },
      "STORE_REFUSED",
      /ap-south-1/,
    ],
    [
      "with an expired token",
      { status: 400, body: errorXml("ExpiredToken") },
      "STORE_REFUSED",
      /credentials have expired/,
    ],
    [
      "with a clock that is ahead",
      {
        status: 403,
        body: errorXml(
          "RequestTimeTooSkewed",
          `<ServerTime>${new Date(Date.now() - 2_400_000).toISOString()}</ServerTime>`,
        ),
      },
      "STORE_REFUSED",
      /40 minutes ahead of the server's/,
    ],
    ["that is full", { status: 403, body: errorXml("QuotaExceeded") }, "STORE_FULL", /words of the server/],
    ["that is busy", { status: 503, body: errorXml("SlowDown") }, "STORE_UNAVAILABLE", /fewer requests/],
    ["that is busy, without words", { status: 429 }, "STORE_UNAVAILABLE", /fewer requests/],
    ["that is broken", { status: 500, body: "<html>no XML<" }, "STORE_UNAVAILABLE", /answered 500/],
    [
      "without conditional writes",
      { status: 501, body: errorXml("NotImplemented") },
      "STORE_REFUSED",
      /If-None-Match/,
    ],
    ["that ignores conditional writes", { status: 200 }, "STORE_REFUSED", /ignores conditional writes/],
  ])("%s", async (_what, answer, code, message) => {
    expect(await refusal(answer)).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it("of a newer Kinglet", async () => {
    const answer = { status: 200, headers: { "x-amz-meta-kinglet-format": "9" } };
    const store = storeOn(({ method }) => (method === "PUT" ? { status: 412 } : answer));
    await expect(store.check()).rejects.toMatchObject({ code: "STORE_VERSION" });
  });

  it("names the key, and tells reading from writing", async () => {
    const store = storeOn(() => ({ status: 403, body: errorXml("AccessDenied") }));
    await expect(store.get("a/b")).rejects.toMatchObject({
      code: "STORE_REFUSED",
      key: "a/b",
      message: expect.stringMatching(/can't read "a\/b" in s3:\/\/bucket\/p[\s\S]*s3:GetObject/),
    });
    await expect(store.put("a/b", Buffer.from("x"))).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
    await expect(store.delete(["a", "b"])).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
  });

  it("to delete one of many names that one", async () => {
    const body =
      "<DeleteResult><Error><Key>p/b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>";
    const store = storeOn(() => ({ body }));
    await expect(store.delete(["a", "b"])).rejects.toMatchObject({ code: "STORE_UNWRITABLE", key: "b" });
  });
});

describe("a server that can't be reached", () => {
  let server: Server | undefined;
  afterEach(() => server?.close());
  const at = (endpoint: string, options: S3StoreOptions = {}) =>
    openS3Store({ ...LOCATION, endpoint }, { ...fixed(CREDENTIALS), ...ONCE, ...options });
  const listen = async (onConnection: (socket: import("node:net").Socket) => void): Promise<string> => {
    server = createServer(onConnection).listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as import("node:net").AddressInfo).port}`;
  };

  it("since nothing listens there", async () => {
    const endpoint = await listen(() => {});
    server!.close();
    await once(server!, "close");
    await expect(at(endpoint).check()).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringMatching(/connection refused[\s\S]*Check the endpoint/),
    });
  });

  it("since there is no such host", async () => {
    await expect(at("http://no-such-host.invalid").check()).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringMatching(/no-such-host.invalid: (there is no such host|the host's name can't)/),
    });
  });

  it("that never answers ends in an error, not in a wait", async () => {
    const store = at(await listen((socket) => socket.on("error", () => {})), { stallTimeoutMs: 300 });
    await expect(store.check()).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("didn't answer in time"),
    });
    await store.close();
  });

  it("that stops in the middle of an answer does, too", async () => {
    const endpoint = await listen((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"));
    });
    const store = at(endpoint, { stallTimeoutMs: 1000 });
    await expect(store.get("a")).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("stopped in the middle"),
    });
    await store.close();
  });
});
