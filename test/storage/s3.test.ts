import { describeObjectStore } from "../conformance/object-store.ts";
import { describeWith } from "../services/services.ts";
import { newS3Store, S3_SUITE } from "./s3-stores.ts";

describeWith("s3", "on radosgw", (s3) => {
  describeObjectStore("S3", () => newS3Store(s3()), S3_SUITE);
});
