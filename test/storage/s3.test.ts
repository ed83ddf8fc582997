import { withRetry } from "../../src/storage/layers/retry.ts";
import { describeObjectStore } from "../conformance/object-store.ts";
import { describeWith } from "../services/services.ts";
import { newS3Store, S3_SUITE } from "./s3-stores.ts";

describeWith("s3", "on radosgw", (s3) => {
  const open = async () => {
    const { store, reopen, ...opened } = await newS3Store(s3());
    // radosgw answers 500 now and then to who reads an object that is just being replaced.
    return { ...opened, store: withRetry(store), reopen: async () => withRetry(await reopen!()) };
  };
  describeObjectStore("S3", open, S3_SUITE);
});
