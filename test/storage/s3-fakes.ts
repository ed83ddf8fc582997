import type { S3Location } from "../../src/storage/s3/location.ts";
import { openS3Store, type S3Store, type S3StoreOptions } from "../../src/storage/s3/store.ts";
import type { HttpRequest, HttpResponse, Transport } from "../../src/storage/s3/transport.ts";
import { fixed } from "./s3-stores.ts";

export type Answer = Partial<Omit<HttpResponse, "body">> & { readonly body?: string | Uint8Array };

/** A server that is a function: for answers that radosgw never gives. */
export function transportOf(answer: (request: HttpRequest) => Answer | Promise<Answer>): Transport {
  return {
    async send(request) {
      const { status = 200, headers = {}, body = "" } = await answer(request);
      return { status, headers, body: typeof body === "string" ? Buffer.from(body) : body };
    },
    async close() {},
  };
}

export const LOCATION: S3Location = {
  kind: "s3",
  bucket: "bucket",
  prefix: "p",
  endpoint: "http://s3.test",
  region: "us-east-1",
};

/** Tries nothing again. */
export const ONCE = { retry: { attempts: 1 } } as const;

export function storeOn(
  answer: (request: HttpRequest) => Answer | Promise<Answer>,
  options: S3StoreOptions = {},
): S3Store {
  const credentials = { accessKeyId: "AK", secretAccessKey: "SK" };
  return openS3Store(LOCATION, {
    ...fixed(credentials),
    ...ONCE,
    transport: transportOf(answer),
    ...options,
  });
}

export const errorXml = (code: string, more = ""): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>words of the server</Message>${more}</Error>`;
