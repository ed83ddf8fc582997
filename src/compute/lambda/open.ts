import { credentialSource } from "../../aws/credentials.ts";
import { driverGraphLane } from "../../capture/index.ts";
import { systemClock } from "../../clock.ts";
import { createCodec } from "../../codec/codec.ts";
import type { ObjectStore } from "../../storage/contract.ts";
import { knownSecrets } from "../../values/secret.ts";
import type { ComputeBackend } from "../contract.ts";
import { createLambdaBackend } from "./backend.ts";
import type { ResolvedAwsOptions } from "./deploy/contract.ts";
import { workerFunctions } from "./deploy/functions.ts";

/** The backend as pools use it; loaded with the first job. */
export function openLambdaBackend(
  aws: ResolvedAwsOptions,
  store: ObjectStore,
  slots: number,
  maxSlots: number,
): ComputeBackend {
  const codec = createCodec(driverGraphLane());
  return createLambdaBackend({
    aws,
    store,
    location: aws.storage,
    slots,
    maxSlots,
    functions: workerFunctions(aws),
    credentials: credentialSource(),
    encodeError: (error) => Buffer.concat(codec.encode(error, "error")),
    secrets: knownSecrets,
    clock: systemClock,
    random: Math.random,
  });
}
