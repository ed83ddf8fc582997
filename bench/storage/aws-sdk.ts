import { DeleteObjectsCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import type { Place, StorageClient } from "./client.ts";

const MULTIPART_FROM_BYTES = 16 << 20;

/** `@aws-sdk/client-s3` as its documentation has it; big objects by `@aws-sdk/lib-storage`, in parallel parts. */
export function openAwsSdk({ endpoint, region, bucket: Bucket }: NonNullable<Place["s3"]>): StorageClient {
  const client = new S3Client({
    ...{ endpoint, region, forcePathStyle: true },
    // radosgw doesn't take checksums that trail the body.
    ...{ requestChecksumCalculation: "WHEN_REQUIRED" as const },
  });
  const idOf = (key: string) => ({ Bucket, Key: `aws-sdk/${key}` });
  return {
    put: async (key, Body) => {
      const params = { ...idOf(key), Body };
      if (Body.length < MULTIPART_FROM_BYTES) await client.send(new PutObjectCommand(params));
      else await new Upload({ client, params, partSize: MULTIPART_FROM_BYTES }).done();
    },
    get: async (key) => {
      const { Body } = await client.send(new GetObjectCommand(idOf(key)));
      return (await Body!.transformToByteArray()).length;
    },
    delete: async (keys) => {
      for (let at = 0; at < keys.length; at += 1000) {
        const Objects = keys.slice(at, at + 1000).map((key) => ({ Key: idOf(key).Key }));
        await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
      }
    },
    close: async () => client.destroy(),
  };
}
