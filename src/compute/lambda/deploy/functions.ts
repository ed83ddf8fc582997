import type { FunctionConfiguration, Lambda } from "@aws-sdk/client-lambda";
import { awakeClock } from "../../../clock.ts";
import { KingletError } from "../../../errors.ts";
import { showStoreLocation } from "../../../storage/locate.ts";
import { version } from "../../../version.ts";
import { type AwsApis, awsApis } from "./apis.ts";
import type {
  LambdaArchitecture,
  ResolvedAwsOptions,
  WorkerFunction,
  WorkerFunctionSpec,
  WorkerFunctions,
} from "./contract.ts";
import { awsFailure, isAws, roleIsNotReady } from "./failures.ts";
import { ensureLogGroup } from "./log-groups.ts";
import { contentHash, functionNameOf, logGroupOf, TAGS } from "./names.ts";
import { type PolicyDocument, type PolicyScope, type S3Place, workerPolicy } from "./policy.ts";
import { ensureRole } from "./role.ts";
import { readStartFailure } from "./start-failure.ts";
import { delay, lookUntil, type Patience } from "./wait.ts";
import { type WorkerZip, workerZip } from "./worker-zip.ts";

export interface WorkerFunctionsParts {
  readonly apis?: AwsApis;
  readonly zip?: () => Promise<WorkerZip>;
  readonly patience?: Partial<Patience>;
}

const PATIENCE: Patience = {
  clock: awakeClock,
  pollMs: 200,
  maxPollMs: 2000,
  readyMs: 120_000,
  roleAgeMs: 10_000,
};

/** The worker functions of a store's jobs in one region. Nothing is asked or loaded before the first `ensure`. */
export function workerFunctions(aws: ResolvedAwsOptions, parts: WorkerFunctionsParts = {}): WorkerFunctions {
  return new Functions(aws, parts);
}

/** What the worker functions' role must allow. */
export function policyScope({ region, storage, read }: ResolvedAwsOptions): PolicyScope {
  return { storage, region, read: read.map(placeOf) };
}

/** `s3://bucket/prefix`, as the option's rule has it. */
function placeOf(place: string): S3Place {
  const [, bucket, prefix] = /^s3:\/\/([^/]+)\/*(.*?)\/*$/.exec(place)!;
  return { bucket: bucket!, prefix: prefix! };
}

/** Name of the worker function of this size: a hash of all that makes it. */
export function functionNameFor(
  aws: ResolvedAwsOptions,
  policy: PolicyDocument,
  zipSha256: string,
  spec: WorkerFunctionSpec,
): string {
  const { runtime, timeoutS, ephemeralStorageMb } = aws;
  const role = aws.roleArn ?? JSON.stringify(policy);
  const hash8 = contentHash({ zipSha256, runtime, timeoutS, ephemeralStorageMb, role });
  return functionNameOf(hash8, aws.architecture, spec);
}

class Functions implements WorkerFunctions {
  readonly #aws: ResolvedAwsOptions;
  readonly #apis: AwsApis;
  readonly #zip: () => Promise<WorkerZip>;
  readonly #patience: Patience;
  readonly #policy: PolicyDocument;
  readonly #known = new Map<string, Promise<WorkerFunction>>();

  constructor(aws: ResolvedAwsOptions, parts: WorkerFunctionsParts) {
    this.#aws = aws;
    this.#apis = parts.apis ?? awsApis(aws);
    this.#zip = parts.zip ?? workerZip;
    this.#patience = { ...PATIENCE, ...parts.patience };
    this.#policy = workerPolicy(policyScope(aws));
  }

  ensure(spec: WorkerFunctionSpec, again = false): Promise<WorkerFunction> {
    const key = `${spec.memoryMb}-${spec.copy}`;
    let found = again ? undefined : this.#known.get(key);
    if (!found) {
      found = this.#aws.functionName === undefined ? this.#ensure(spec) : this.#given(this.#aws.functionName);
      this.#known.set(key, found);
      found.catch(() => this.#known.delete(key));
    }
    return found;
  }

  async startFailure(name: string, sinceMs: number): Promise<string | undefined> {
    try {
      return await readStartFailure(await this.#apis.logs(), name, sinceMs, this.#patience);
    } catch {
      // It only explains an error: without AWS's client for logs it is unexplained.
      return undefined;
    }
  }

  /** A function of the user's own: found, never made. */
  async #given(name: string): Promise<WorkerFunction> {
    const { region } = this.#aws;
    let config: FunctionConfiguration | undefined;
    try {
      config = await findFunction(await this.#apis.lambda(), name);
    } catch (error) {
      throw awsFailure(error, { action: `look for the function ${name}`, region });
    }
    if (config) return { name, timeoutS: config.Timeout!, memoryMb: config.MemorySize! };
    throw new KingletError("NOT_FOUND", `there is no function ${name} in ${region}`, {
      remedy: "Set AWS_REGION to its region, or leave out aws.functionName: Kinglet makes its own.",
      details: { functionName: name, region },
    });
  }

  async #ensure(spec: WorkerFunctionSpec): Promise<WorkerFunction> {
    const { region } = this.#aws;
    const zip = await this.#zip();
    const name = functionNameFor(this.#aws, this.#policy, zip.sha256, spec);
    try {
      const lambda = await this.#apis.lambda();
      let failure: unknown;
      const config = await lookUntil(this.#patience, async () => {
        try {
          return await this.#step(lambda, name, zip, spec);
        } catch (error) {
          // Another driver is at it, or a new role isn't known everywhere yet.
          if (!isAws(error, "ResourceConflictException") && !roleIsNotReady(error)) throw error;
          failure = error;
          return undefined;
        }
      });
      if (config) return { name, timeoutS: config.Timeout!, memoryMb: config.MemorySize! };
      throw failure ?? stillPending(name, region, this.#patience.readyMs);
    } catch (error) {
      throw awsFailure(error, { action: `make the worker function ${name}`, region });
    }
  }

  /** One look at the function and what it lacks; its configuration once it can be invoked. */
  async #step(
    lambda: Lambda,
    name: string,
    zip: WorkerZip,
    spec: WorkerFunctionSpec,
  ): Promise<FunctionConfiguration | undefined> {
    const found = await findFunction(lambda, name);
    if (!found) {
      await this.#create(lambda, name, zip, spec);
      return undefined;
    }
    if (found.State === "Failed") throw brokenFunction(name, found.StateReason, this.#aws.region);
    if (found.State === "Pending" || found.LastUpdateStatus === "InProgress") return undefined;
    if (found.CodeSha256 !== base64Of(zip.sha256)) {
      await lambda.updateFunctionCode({
        FunctionName: name,
        ZipFile: zip.bytes,
        Architectures: [awsArchitecture(this.#aws.architecture)],
      });
      return undefined;
    }
    const { MemorySize, Timeout } = found;
    if (MemorySize === spec.memoryMb && Timeout === this.#aws.timeoutS && found.Handler === zip.handler)
      return found;
    await lambda.updateFunctionConfiguration({
      FunctionName: name,
      MemorySize: spec.memoryMb,
      Timeout: this.#aws.timeoutS,
      Handler: zip.handler,
    });
    return undefined;
  }

  async #create(lambda: Lambda, name: string, zip: WorkerZip, spec: WorkerFunctionSpec): Promise<void> {
    const { architecture, runtime, timeoutS, ephemeralStorageMb } = this.#aws;
    await ensureLogGroup(await this.#apis.logs(), name);
    const role = await this.#role();
    await lambda.createFunction({
      FunctionName: name,
      Description: `Kinglet ${version}: runs the tasks of jobs; \`kinglet destroy aws\` removes it`,
      Runtime: runtime,
      Architectures: [awsArchitecture(architecture)],
      Handler: zip.handler,
      Role: role,
      Code: { ZipFile: zip.bytes },
      MemorySize: spec.memoryMb,
      Timeout: timeoutS,
      EphemeralStorage: { Size: ephemeralStorageMb },
      Tags: {
        [TAGS.version]: version,
        [TAGS.content]: zip.sha256,
        [TAGS.storage]: showStoreLocation(this.#aws.storage)
          .replace(/[^\w .:/=+@-]/g, "_")
          .slice(0, 256),
      },
    });
  }

  async #role(): Promise<string> {
    if (this.#aws.roleArn !== undefined) return this.#aws.roleArn;
    const { clock, roleAgeMs } = this.#patience;
    const role = await ensureRole(await this.#apis.iam(), this.#policy, {
      region: this.#aws.region,
      version,
    });
    const ageMs = clock.nowMs() - role.createdMs;
    // Its policy doesn't hold everywhere at once: the first tasks would be refused the store.
    if (ageMs < roleAgeMs) await delay(clock, Math.min(roleAgeMs, roleAgeMs - ageMs));
    return role.arn;
  }
}

/** Undefined where there is none. */
export async function findFunction(lambda: Lambda, name: string): Promise<FunctionConfiguration | undefined> {
  try {
    return await lambda.getFunctionConfiguration({ FunctionName: name });
  } catch (error) {
    if (isAws(error, "ResourceNotFoundException")) return undefined;
    throw error;
  }
}

const awsArchitecture = (architecture: LambdaArchitecture): "arm64" | "x86_64" =>
  architecture === "x64" ? "x86_64" : architecture;

const base64Of = (hex: string): string => Buffer.from(hex, "hex").toString("base64");

function brokenFunction(name: string, reason: string | undefined, region: string): KingletError {
  return new KingletError(
    "COMPUTE_REFUSED",
    `the function ${name} in ${region} can't run: ${reason ?? "no reason given"}`,
    {
      remedy: "`kinglet destroy aws` removes it; the next run makes it anew.",
      details: { functionName: name, region, logGroup: logGroupOf(name) },
    },
  );
}

function stillPending(name: string, region: string, ms: number): KingletError {
  return new KingletError(
    "COMPUTE_UNAVAILABLE",
    `the function ${name} in ${region} isn't ready after ${ms / 1000} s`,
    {
      remedy: "`kinglet status aws` shows how far it is; start again when it is active.",
      details: { functionName: name, region },
    },
  );
}
