import { hash } from "node:crypto";
import { Agent, request } from "undici";
import { credentialSource } from "../../src/aws/credentials.ts";
import { SHA256_OF_NOTHING, Signer } from "../../src/aws/sign.ts";
import type { Place, StorageClient } from "./client.ts";

/**
 * The least that a client of S3 does over plain HTTP: signs each request with the SHA-256 of its body, and gives its user the
 * bytes that came, as one. One stream for each object; nothing is compared with a checksum, nothing repeated.
 */
export async function openSignedHttp({
  endpoint,
  region,
  bucket,
}: NonNullable<Place["s3"]>): Promise<StorageClient> {
  const agent = new Agent({ pipelining: 1 });
  const { host } = new URL(endpoint);
  const signer = new Signer(region, "s3");
  const credentials = await credentialSource().get();

  const send = async (method: "GET" | "PUT" | "DELETE", key: string, body?: Uint8Array) => {
    const path = `/${bucket}/signed/${key}`;
    const bodySha256 = body ? hash("sha256", body) : SHA256_OF_NOTHING;
    const unsigned = { method, host, path, query: "", headers: {}, bodySha256 };
    const answer = await request(endpoint + path, {
      ...{ method, dispatcher: agent, headers: signer.sign(unsigned, credentials, Date.now()) },
      ...(body ? { body } : {}),
    });
    if (answer.statusCode >= 300)
      throw new Error(`${method} ${key}: ${answer.statusCode} ${await answer.body.text()}`);
    return answer.body;
  };
  return {
    put: async (key, body) => (await send("PUT", key, body)).dump(),
    get: async (key) => (await (await send("GET", key)).bytes()).length,
    delete: async (keys) => {
      for (let at = 0; at < keys.length; at += 16)
        await Promise.all(keys.slice(at, at + 16).map(async (key) => (await send("DELETE", key)).dump()));
    },
    close: () => agent.close(),
  };
}
