import { StoreError } from "../../errors.ts";
import type { Retry } from "../layers/retry.ts";
import type { S3Client } from "./client.ts";
import { uploadParts } from "./multipart.ts";

/** An object that no key can name marks the store: consoles show it as a folder. Its metadata holds the version. */
export const MARKER = "kinglet-store/";
const FORMAT_HEADER = "x-amz-meta-kinglet-format";
const FORMAT = 1;

export interface CheckedStore {
  readonly client: S3Client;
  readonly retry: Retry;
  readonly where: string;
  /** Name of the marker in the bucket. */
  readonly marker: string;
}

/**
 * Finds out, by two or three requests, whether the store can be written and read, and whether the server keeps its
 * promise of put-if-absent, which everything rests on.
 *
 * @throws StoreError STORE_REFUSED, STORE_UNWRITABLE, STORE_VERSION, STORE_UNAVAILABLE
 */
export async function checkStore(store: CheckedStore): Promise<void> {
  // The second put must find the first one's object, whoever made it.
  if ((await putMarker(store)) === 200 && (await putMarker(store)) === 200)
    throw ignoresConditions(store.where);
  const { headers } = await store.retry(() =>
    store.client.send({ method: "GET", object: store.marker, action: "read the store's marker" }),
  );
  const format = Number(headers[FORMAT_HEADER]);
  if (format === FORMAT) return;
  throw new StoreError(
    "STORE_VERSION",
    `${store.where} has the format ${headers[FORMAT_HEADER] ?? "of another program"}, and this Kinglet knows ${FORMAT}`,
    { remedy: "Update Kinglet, or use another prefix." },
  );
}

async function putMarker({ client, retry, marker }: CheckedStore): Promise<number> {
  const { status } = await retry(() =>
    client.send({
      method: "PUT",
      object: marker,
      headers: { "if-none-match": "*", [FORMAT_HEADER]: String(FORMAT) },
      body: [],
      accept: [412],
      action: "mark the store",
    }),
  );
  return status;
}

function ignoresConditions(where: string): StoreError {
  return new StoreError(
    "STORE_REFUSED",
    `${where} can't hold a store: its server ignores conditional writes (If-None-Match), so two workers could both commit`,
    {
      remedy:
        "Use a server that has them: AWS S3, Ceph ≥ 16, MinIO, Cloudflare R2, …; or let it be updated by who runs it.",
    },
  );
}

/**
 * Whether the server heeds If-None-Match when it joins parts, as AWS does and older Ceph doesn't: asked once for
 * each store and process, on the marker, where nothing is lost.
 */
export async function joinsIfAbsent({ client, retry, marker }: CheckedStore): Promise<boolean> {
  const created = await uploadParts(
    client,
    retry,
    {
      key: marker,
      object: marker,
      headers: { [FORMAT_HEADER]: String(FORMAT) },
      ifAbsent: true,
      isOwn: async () => false,
    },
    [[new Uint8Array(1)]],
  );
  return !created;
}
