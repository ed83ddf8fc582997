import type { StoreLocation } from "../../../storage/locate.ts";

/** Lambda's names differ from Node's: `x86_64` there is `x64` here. */
export type LambdaArchitecture = "arm64" | "x64";
export type LambdaRuntime = "nodejs24.x" | "nodejs22.x";

/** What the options of a pool on AWS Lambda come to: defaults filled in, nothing of it secret. */
export interface ResolvedAwsOptions {
  /** Of the functions; they are quickest, and cheapest, where the bucket is. */
  readonly region: string;
  /** Base URL of a server that stands for AWS's APIs, S3 apart; AWS's own (or AWS_ENDPOINT_URL_LAMBDA, …) where absent. */
  readonly endpoint?: string;
  /** Default `arm64`: a fifth cheaper. */
  readonly architecture: LambdaArchitecture;
  /** Default `nodejs24.x`. */
  readonly runtime: LambdaRuntime;
  /** Memory of an environment in MiB, 128…10,240; a vCPU for each 1,769. Default 1,769. */
  readonly memoryMb: number;
  /** The most that a task is tried again with after it ran out of memory. Default 10,240. */
  readonly maxMemoryMb: number;
  /** How long an invocation may take, 1…900 s. Default 900. */
  readonly timeoutS: number;
  /** Size of `/tmp` in MiB, 512…10,240. Default 512, which costs nothing. */
  readonly ephemeralStorageMb: number;
  /** A role of yours for the functions; otherwise one is made that may read and write `storage` alone. */
  readonly roleArn?: string;
  /** A function of yours, made from the package's dist/lambda-worker.zip; Kinglet makes and changes none then. */
  readonly functionName?: string;
  /** Where jobs live: what the workers' role may read and write. */
  readonly storage: Extract<StoreLocation, { kind: "s3" }>;
  /** Further places that tasks may read, `s3://bucket/prefix`. Default none. */
  readonly read: readonly string[];
}

/** Which of the worker functions: they are alike but for their memory and their number. */
export interface WorkerFunctionSpec {
  readonly memoryMb: number;
  /** 0…: each function's environments grow by 1,000 in 10 s, so more functions grow faster. */
  readonly copy: number;
}

export interface WorkerFunction {
  readonly name: string;
  readonly timeoutS: number;
  /** What it has: with `functionName` not what was asked for. */
  readonly memoryMb: number;
}

export interface WorkerFunctions {
  /**
   * The function of this size, found or made, and ready to be invoked: its name holds the hash of all that makes it.
   * May be called several times and by several drivers at once; those who ask while one is being made share it.
   * `again`: it was found before, and isn't there any more.
   *
   * @throws KingletError COMPUTE_REFUSED naming the missing permission and the command that mends it; COMPUTE_UNAVAILABLE;
   *   NOT_FOUND where `functionName` is no function
   */
  ensure(spec: WorkerFunctionSpec, again?: boolean): Promise<WorkerFunction>;
  /**
   * What only the platform's log knows of environments that didn't start since `sinceMs` (milliseconds since the epoch):
   * a module that isn't found, an error in the initialisation, memory at its limit. Undefined where the log says nothing, or can't be read.
   */
  startFailure(name: string, sinceMs: number): Promise<string | undefined>;
}
