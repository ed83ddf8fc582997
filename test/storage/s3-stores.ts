import { randomUUID } from "node:crypto";
import type { Credentials } from "../../src/aws/sign.ts";
import type { S3Location } from "../../src/storage/s3/location.ts";
import { openS3Store, type S3Store, type S3StoreOptions } from "../../src/storage/s3/store.ts";
import type { OpenedStore, SuiteOptions } from "../conformance/object-store.ts";
import type { S3Service } from "../services/services.ts";

export const S3_SUITE: SuiteOptions = {
  capabilities: { append: false, putIfAbsent: true, durable: true },
  sharing: { handles: true, processes: true },
};

/** One bucket for all tests of a file; each store has a prefix of its own. */
let bucket: Promise<string> | undefined;

export async function newS3Location(service: S3Service): Promise<S3Location> {
  bucket ??= service.makeBucket();
  const { endpoint, region } = service;
  return { kind: "s3", bucket: await bucket, prefix: `test/${randomUUID()}`, endpoint, region };
}

export const fixed = (credentials: Credentials): Pick<S3StoreOptions, "credentials"> => ({
  credentials: { get: () => credentials, renew: () => false },
});

/** An empty store on the service. */
export async function newS3Store(
  service: S3Service,
  options: S3StoreOptions = {},
): Promise<OpenedStore & { readonly store: S3Store; readonly location: S3Location }> {
  const location = await newS3Location(service);
  const { accessKeyId, secretAccessKey } = service;
  const open = (): S3Store =>
    openS3Store(location, { ...fixed({ accessKeyId, secretAccessKey }), ...options });
  const argument = JSON.stringify({ location, credentials: { accessKeyId, secretAccessKey } });
  return {
    location,
    store: open(),
    reopen: async () => open(),
    module: { url: import.meta.url, argument },
  };
}

/** For processes of the conformance suite. */
export function openStore(argument: string): S3Store {
  const { location, credentials } = JSON.parse(argument) as {
    location: S3Location;
    credentials: Credentials;
  };
  return openS3Store(location, fixed(credentials));
}
