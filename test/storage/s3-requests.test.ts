import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RenewedCredentials } from "../../src/aws/credentials.ts";
import { escapePath, escapeQuery, SHA256_OF_NOTHING, Signer } from "../../src/aws/sign.ts";
import { addressOf, parseS3Location } from "../../src/storage/s3/location.ts";
import { listed } from "../conformance/object-store-helpers.ts";
import { errorXml, storeOn } from "./s3-fakes.ts";

describe("signatures", () => {
  // The examples of "Signature Calculations for the Authorization Header", Amazon S3 API Reference.
  it.each([
    [{ lifecycle: "" }, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
    [{ "max-keys": "2", prefix: "J" }, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"],
  ])("are those of Amazon's examples: %j", (query, signature) => {
    const headers = new Signer("us-east-1", "s3").sign(
      {
        method: "GET",
        host: "examplebucket.s3.amazonaws.com",
        path: "/",
        query: escapeQuery(query as Record<string, string>),
        headers: {},
        bodySha256: SHA256_OF_NOTHING,
      },
      { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
      Date.UTC(2013, 4, 24),
    );
    expect(headers["authorization"]).toContain(`Signature=${signature}`);
  });

  it("escape paths as S3 does", () => {
    expect(escapePath("a b/ç+('*')!~.txt")).toBe("a%20b/%C3%A7%2B%28%27%2A%27%29%21~.txt");
  });
});

describe("the storage s3://…", () => {
  it.each([
    ["s3://bucket?region=r", {}, { bucket: "bucket", prefix: "", region: "r" }],
    ["s3://bucket/a/b/?region=r", {}, { bucket: "bucket", prefix: "a/b", region: "r" }],
    [
      "s3://bucket/a%20b",
      { AWS_REGION: "eu-west-1" },
      { bucket: "bucket", prefix: "a b", region: "eu-west-1" },
    ],
    [
      "s3://my-bucket/p?endpoint=http://127.0.0.1:9000/&region=x&pathStyle=false",
      { AWS_ENDPOINT_URL_S3: "http://other", AWS_REGION: "other" },
      { bucket: "my-bucket", prefix: "p", endpoint: "http://127.0.0.1:9000", region: "x", pathStyle: false },
    ],
    [
      "s3://bucket/p",
      { AWS_ENDPOINT_URL_S3: "http://one", AWS_ENDPOINT_URL: "http://two", AWS_DEFAULT_REGION: "r" },
      { bucket: "bucket", prefix: "p", endpoint: "http://one", region: "r" },
    ],
  ])("%s is read", (text, env, expected) => {
    expect(parseS3Location(text, env)).toEqual({ kind: "s3", ...expected });
  });

  it.each([
    ["s3://", "bucket"],
    ["s3://bucket/x", "AWS_REGION"],
    ["s3://B@cket:1/x", "credentials|bucket"],
    ["s3://key:secret@bucket/x", "credentials"],
    ["s3://bucket/a//b", "empty segment"],
    ["s3://bucket/x?regoin=eu", "regoin"],
    ["s3://bucket/x?endpoint=nowhere", "endpoint"],
    ["s3://bucket/x?pathStyle=yes", "pathStyle"],
    [`s3://bucket/${"x".repeat(200)}`, "longer"],
  ])("%s is refused", (text, why) => {
    const refused = expect(() => parseS3Location(text, {}));
    refused.toThrow(new RegExp(why));
    refused.toThrow(expect.not.stringContaining("secret") as never);
  });

  it("means these hosts", () => {
    const of = (text: string) => {
      const { origin, basePath } = addressOf(parseS3Location(text, {}), {});
      return origin + basePath;
    };
    expect(of("s3://bucket?region=eu-west-1")).toBe("https://bucket.s3.eu-west-1.amazonaws.com");
    expect(of("s3://my.bucket?region=eu-west-1")).toBe("https://s3.eu-west-1.amazonaws.com/my.bucket");
    expect(of("s3://bucket?region=cn-north-1")).toBe("https://bucket.s3.cn-north-1.amazonaws.com.cn");
    expect(of("s3://bucket?endpoint=http://h:1")).toBe("http://h:1/bucket");
    expect(of("s3://bucket?endpoint=http://h:1&pathStyle=false")).toBe("http://bucket.h:1");
    expect(() => of("s3://bucket")).toThrow("AWS_REGION");
  });
});

describe("listing", () => {
  const bytes = (key: string) => Buffer.from(key);
  /** Lists as S3 does: in the order of UTF-8, in small pages. */
  const listingOf = (keys: readonly string[], pageKeys: number) =>
    storeOn(({ path }) => {
      const query = new URL(path, "http://s3.test").searchParams;
      const start = query.get("continuation-token") ?? query.get("start-after") ?? "";
      const found = [...keys.map((key) => `p/${key}`)]
        .sort((a, b) => bytes(a).compare(bytes(b)))
        .filter((key) => key.startsWith(query.get("prefix")!) && bytes(key).compare(bytes(start)) > 0);
      const page = found.slice(0, pageKeys);
      const contents = page.map(
        (key) =>
          `<Contents><Key>${encodeURIComponent(key)}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`,
      );
      const next =
        found.length > page.length
          ? `<NextContinuationToken>${page.at(-1)!.replaceAll("&", "&amp;")}</NextContinuationToken>`
          : "";
      return {
        body: `<ListBucketResult><IsTruncated>${next !== ""}</IsTruncated>${next}${contents.join("")}</ListBucketResult>`,
      };
    });

  it("is in the order of code units, though S3's is that of UTF-8, and goes on after any key", async () => {
    const piece = fc.constantFrom("a", "b", "-", "é", "\ud7ff", "\ue000", "\uffee", "\u{10000}", "\u{1f600}");
    const key = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(""));
    const property = fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 25 }),
      fc.option(key, { nil: "" }),
      fc.integer({ min: 1, max: 4 }),
      async (keys, after, pageKeys) => {
        const store = listingOf(keys, pageKeys);
        expect(await listed(store.list(""))).toEqual([...keys].sort());
        expect(await listed(store.list("", { after }))).toEqual(keys.filter((each) => each > after).sort());
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });

  it("leaves out what no key can name: folders that consoles mark, the store's own mark", async () => {
    const store = listingOf(["a", "folder/", "kinglet-store/"], 10);
    expect(await listed(store.list(""))).toEqual(["a"]);
  });
});

describe("temporary credentials", () => {
  it("are loaded once for many, and anew shortly before they end", async () => {
    let nowMs = 0;
    let loads = 0;
    const load = async () => {
      loads += 1;
      return { accessKeyId: `AK${loads}`, secretAccessKey: "SK", expiration: new Date(nowMs + 3_600_000) };
    };
    const source = new RenewedCredentials(load, () => nowMs);
    const found = await Promise.all([source.get(), source.get(), source.get()]);
    expect(found.map(({ accessKeyId }) => accessKeyId)).toEqual(["AK1", "AK1", "AK1"]);
    nowMs = 3_200_000;
    expect(source.get()).toMatchObject({ accessKeyId: "AK1" });
    nowMs = 3_400_000;
    expect(await source.get()).toMatchObject({ accessKeyId: "AK2" });
  });

  it("that the server calls expired are loaded anew, once", async () => {
    const load = async () => ({ accessKeyId: `AK${++loads}`, secretAccessKey: "SK" });
    let loads = 0;
    const source = new RenewedCredentials(load, () => 0);
    const store = storeOn(
      ({ headers }) =>
        headers["authorization"]!.includes("AK1/") ? { status: 400, body: errorXml("ExpiredToken") } : {},
      { credentials: source },
    );
    await store.put("a", Buffer.from("x"));
    expect(loads).toBe(2);
    const never = storeOn(() => ({ status: 400, body: errorXml("ExpiredToken") }), { credentials: source });
    await expect(never.put("a", Buffer.from("x"))).rejects.toMatchObject({ code: "STORE_REFUSED" });
    expect(loads).toBe(3);
  });

  it("say why there are none", async () => {
    const load = () => Promise.reject(new Error("Could not load credentials from any providers"));
    await expect(async () => new RenewedCredentials(load, () => 0).get()).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringMatching(/no credentials for AWS: Could not load[\s\S]*AWS_ACCESS_KEY_ID/),
    });
  });
});
