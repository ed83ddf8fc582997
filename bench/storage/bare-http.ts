import { S3Client } from "@aws-sdk/client-s3";
import { Agent, request } from "undici";
import type { Place, StorageClient } from "./client.ts";

/** What the SDK's signer can do, besides what its types say. */
interface Presigner {
  presign(request: object): Promise<{ readonly query: Record<string, string> }>;
}

/**
 * An HTTP client that only sends and receives: its requests were signed before the clock started, nothing is checked,
 * nothing repeated. What the server gives.
 */
export function openBareHttp({ endpoint, region, bucket }: NonNullable<Place["s3"]>): StorageClient {
  const agent = new Agent({ pipelining: 1 });
  const url = new URL(endpoint);
  const signer = new S3Client({ endpoint, region, forcePathStyle: true });
  const signed = new Map<string, string>();
  const idOf = (method: string, key: string) => `${method} ${key}`;

  const sign = async (method: "GET" | "PUT" | "DELETE", key: string) => {
    const path = `/${bucket}/bare/${key}`;
    const presigner = (await signer.config.signer()) as unknown as Presigner;
    const { query } = await presigner.presign({
      ...{ method, protocol: url.protocol, hostname: url.hostname, port: Number(url.port), path },
      ...{ query: {}, headers: { host: url.host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" } },
    });
    signed.set(idOf(method, key), `${endpoint}${path}?${new URLSearchParams(query)}`);
  };
  const send = async (method: "GET" | "PUT" | "DELETE", key: string, body?: Uint8Array) => {
    const answer = await request(signed.get(idOf(method, key))!, {
      ...{ method, dispatcher: agent },
      ...(body ? { body } : {}),
    });
    if (answer.statusCode >= 300)
      throw new Error(`${method} ${key}: ${answer.statusCode} ${await answer.body.text()}`);
    return answer.body;
  };
  return {
    prepare: async (operation, keys) => {
      for (const key of keys) await sign(operation === "put" ? "PUT" : "GET", key);
    },
    put: async (key, body) => (await send("PUT", key, body)).dump(),
    get: async (key) => {
      let sizeBytes = 0;
      for await (const chunk of await send("GET", key)) sizeBytes += (chunk as Uint8Array).length;
      return sizeBytes;
    },
    delete: async (keys) => {
      for (const key of keys) await sign("DELETE", key);
      // Not measured; a server may find hundreds at once too many.
      for (let at = 0; at < keys.length; at += 16)
        await Promise.all(keys.slice(at, at + 16).map(async (key) => (await send("DELETE", key)).dump()));
    },
    close: async () => {
      signer.destroy();
      await agent.close();
    },
  };
}
