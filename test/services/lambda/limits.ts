/**
 * What AWS Lambda allows, as AWS writes it. Sources, as of November 2025:
 * - quotas: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 * - lifecycle: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 * - concurrency: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
 * - scaling: https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
 * - async: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
 * - memory: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
 * - model: https://github.com/aws/api-models-aws/tree/main/models/lambda/service/2015-03-31
 */
const MB = 1024 * 1024;

export const AWS_LIMITS = {
  /** quotas, "Invocation payload": 6 MB each for request and response, synchronous. */
  requestBytes: 6 * MB,
  /** The same; the platform's own message names 100 bytes more. */
  responseBytes: 6 * MB + 100,
  /** quotas, "Invocation payload": 1 MB for asynchronous invocations. */
  asyncRequestBytes: 1 * MB,
  /** quotas, "Function timeout": 900 seconds. model, `Timeout`: at least 1. */
  timeoutSeconds: { least: 1, most: 900, initially: 3 },
  /** quotas, "Function memory allocation": 128 to 10,240 MB. model, `MemorySize`. */
  memoryMb: { least: 128, most: 10_240, initially: 128 },
  /** model, `EphemeralStorageSize`: 512 to 10,240 MB of /tmp. */
  ephemeralStorageMb: { least: 512, most: 10_240, initially: 512 },
  /** memory: a function has one vCPU at 1,769 MB, in proportion below and above. Said, not enforced: see double.ts. */
  memoryMbOfOneCpu: 1769,
  /** quotas, "Deployment package size": zipped, uploaded through the API. */
  zippedBytes: 50 * MB,
  /** quotas, "Deployment package size": unzipped, with layers. */
  unzippedBytes: 250 * MB,
  /** quotas, "Function environment variables": 4 KB in all. */
  variablesBytes: 4 * 1024,
  /** quotas, "Concurrent executions": 1,000; new accounts have less (concurrency, "account-level quota"): often 10. */
  concurrency: 10,
  /** concurrency: how much of the account's must stay unreserved. AWS keeps 100 of 1,000; accounts of 10 keep all. */
  unreservedConcurrency: 0,
  /** quotas: requests per second are ten times the concurrency, the account's or the function's reserved one. */
  requestsPerSecondPerConcurrency: 10,
  /** scaling, "Concurrency scaling rate": 1,000 new environments every 10 seconds, for each function. */
  newEnvironments: 1000,
  newEnvironmentsPerMs: 10_000,
  /** lifecycle, "Init phase": 10 seconds, and then once more within the function's timeout. */
  initMs: 10_000,
  /** async: a function's error is retried twice, after one and after two minutes. Here the first wait is shorter. */
  asyncRetries: 2,
  asyncRetryMs: 200,
  /** Creating, and updating, a function takes AWS some seconds; InvokeFunction on a Pending one waits no longer. */
  settleMs: 150,
  /** IAM is eventually consistent: a new role can't be assumed for some seconds. */
  rolePropagationMs: 200,
  /** CloudWatch shows lines some time after they were written. */
  logIngestionMs: 50,
};

/** One account's. Sizes and times are AWS's unless a test says otherwise. */
export type Limits = typeof AWS_LIMITS;

/** model, `Runtime`: those that Kinglet may ask for. This double runs all of them on the Node of this repository. */
export const RUNTIMES = ["nodejs20.x", "nodejs22.x", "nodejs24.x"];
export const ARCHITECTURES = ["x86_64", "arm64"];
/** model, `FunctionName`, `NamespacedFunctionName`: a name, a partial ARN or an ARN, with or without a qualifier. */
export const FUNCTION_NAME =
  /^(?:arn:aws[a-zA-Z-]*:lambda:)?(?:([a-z]{2}(?:-gov)?-[a-z]+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9-_]{1,64})(?::(\$LATEST|[a-zA-Z0-9-_]+))?$/;
/** model, `RoleArn`. */
export const ROLE_ARN = /^arn:aws[a-zA-Z-]*:iam::\d{12}:role\/?[a-zA-Z_0-9+=,.@\-_/]+$/;
/** model, `EnvironmentVariableName`. */
export const VARIABLE_NAME = /^[a-zA-Z][a-zA-Z0-9_]+$/;
/** model, `Handler`: at most 128 characters, no spaces. */
export const HANDLER = /^[^\s]{1,128}$/;
/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime: reserved keys. */
export const RESERVED_VARIABLES = [
  "_HANDLER",
  "_X_AMZN_TRACE_ID",
  "AWS_DEFAULT_REGION",
  "AWS_REGION",
  "AWS_EXECUTION_ENV",
  "AWS_LAMBDA_FUNCTION_NAME",
  "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
  "AWS_LAMBDA_FUNCTION_VERSION",
  "AWS_LAMBDA_INITIALIZATION_TYPE",
  "AWS_LAMBDA_LOG_GROUP_NAME",
  "AWS_LAMBDA_LOG_STREAM_NAME",
  "AWS_ACCESS_KEY",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_LAMBDA_RUNTIME_API",
  "LAMBDA_TASK_ROOT",
  "LAMBDA_RUNTIME_DIR",
];
