import { driverGraphLane } from "../../../src/capture/index.ts";
import { systemClock } from "../../../src/clock.ts";
import { createCodec } from "../../../src/codec/codec.ts";
import type { ComputeBackend } from "../../../src/compute/contract.ts";
import { createLambdaBackend, type LambdaBackendOptions } from "../../../src/compute/lambda/backend.ts";
import type { ResolvedAwsOptions } from "../../../src/compute/lambda/deploy/contract.ts";
import type { ObjectStore } from "../../../src/storage/contract.ts";
import type { StoreLocation } from "../../../src/storage/locate.ts";
import type { Loopback } from "./loopback.ts";

export const AWS: ResolvedAwsOptions = {
  region: "eu-west-1",
  architecture: "arm64",
  runtime: "nodejs24.x",
  memoryMb: 512,
  maxMemoryMb: 2048,
  timeoutS: 60,
  ephemeralStorageMb: 512,
  storage: { kind: "s3", bucket: "unused", prefix: "" },
  read: [],
};

const credentials = {
  get: () => ({ accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" }),
  renew: () => false,
};

/** A backend whose Lambda is the loopback's. */
export function backendOn(
  loopback: Pick<Loopback, "endpoint" | "functions">,
  store: ObjectStore,
  location: StoreLocation,
  more: Partial<LambdaBackendOptions> = {},
): ComputeBackend {
  const codec = createCodec(driverGraphLane());
  return createLambdaBackend({
    aws: { ...AWS, endpoint: loopback.endpoint },
    functions: loopback.functions,
    store,
    location,
    credentials,
    slots: 2,
    maxSlots: 20,
    encodeError: (error) => Buffer.concat(codec.encode(error, "error")),
    secrets: () => ({}),
    clock: systemClock,
    random: Math.random,
    ...more,
  });
}
