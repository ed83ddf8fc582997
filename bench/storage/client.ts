/** One way to put and get objects: what a benchmark's worker process runs. */
export interface StorageClient {
  /** Before the clock starts: whatever a bare client has at hand already (signatures, …). */
  prepare?(operation: "put" | "get", keys: readonly string[]): Promise<void>;
  put(key: string, body: Uint8Array): Promise<void>;
  /** @returns how many bytes came */
  get(key: string): Promise<number>;
  delete(keys: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Ways to store objects, by the store that they use; the first of each is Kinglet's, the second the bare one. */
export const CLIENTS = {
  "kinglet, disk": "disk",
  "plain files": "disk",
  "kinglet, S3": "s3",
  "bare HTTP": "s3",
  "bare HTTP, signed": "s3",
  "aws-sdk": "s3",
  "kinglet, Redis": "redis",
  "bare ioredis": "redis",
} as const;

export type ClientName = keyof typeof CLIENTS;

/** Where the stores of one benchmark are. */
export interface Place {
  /** An empty folder on the disk to measure. */
  readonly folder: string;
  /** S3: a bucket that exists; credentials come from the environment. */
  readonly s3?: { readonly endpoint: string; readonly region: string; readonly bucket: string };
  readonly redis?: { readonly host: string; readonly port: number };
}

export async function openClient(name: ClientName, place: Place): Promise<StorageClient> {
  switch (name) {
    case "kinglet, disk":
      return (await import("./kinglet.ts")).openKinglet(`${place.folder}/kinglet`);
    case "kinglet, S3": {
      const { bucket, endpoint, region } = place.s3!;
      const query = new URLSearchParams({ endpoint, region, pathStyle: "true" });
      return (await import("./kinglet.ts")).openKinglet(`s3://${bucket}/kinglet?${query}`);
    }
    case "kinglet, Redis":
      return (await import("./kinglet-redis.ts")).openKingletRedis(place.redis!);
    case "plain files":
      return (await import("./plain-files.ts")).openPlainFiles(`${place.folder}/plain-files`);
    case "bare HTTP":
      return (await import("./bare-http.ts")).openBareHttp(place.s3!);
    case "bare HTTP, signed":
      return (await import("./signed-http.ts")).openSignedHttp(place.s3!);
    case "aws-sdk":
      return (await import("./aws-sdk.ts")).openAwsSdk(place.s3!);
    case "bare ioredis":
      return (await import("./bare-ioredis.ts")).openBareIoredis(place.redis!);
  }
}
