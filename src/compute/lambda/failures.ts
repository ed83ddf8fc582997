import { KingletError } from "../../errors.ts";
import { version } from "../../version.ts";
import type { AttemptEnd } from "../contract.ts";
import type { FunctionError, Refusal } from "./client.ts";
import { lambdaOrigin } from "./client.ts";

type Failure = Exclude<AttemptEnd, { kind: "ok" | "unloadable" }>;

/** Refusals that pass by themselves when less is asked for. */
const THROTTLES =
  /^(TooManyRequestsException|ThrottlingException|EC2ThrottledException|ENILimitReachedException|SubnetIPAddressLimitReachedException)$/;
/** The function is being made or changed. */
const NOT_READY = /^(ResourceNotReadyException|ResourceConflictException|SnapStartNotReadyException)$/;
const BAD_CREDENTIALS =
  /^(UnrecognizedClientException|InvalidSignatureException|SignatureDoesNotMatch|MissingAuthenticationTokenException|IncompleteSignatureException|InvalidClientTokenId|ExpiredToken|ExpiredTokenException)$/;

/**
 * What a refusal comes to: an end with nothing started, where it may pass; otherwise an error that no further try
 * would mend.
 */
export function refusalOf(refusal: Refusal, functionName: string): Failure | KingletError {
  const { status, code, message, reason, retryAfterMs } = refusal;
  const evidence = `Lambda answered ${status} ${code}${reason ? ` (${reason})` : ""}: ${message}`;
  if (status === 429 || THROTTLES.test(code)) {
    const end = { kind: "throttled", startedTask: undefined, evidence } as const;
    return retryAfterMs === undefined ? end : { ...end, retryAfterMs };
  }
  const mayPass = NOT_READY.test(code) || (status >= 500 && !/AccessDenied|KMS|Invalid/.test(code));
  if (mayPass) return { kind: "lost", startedTask: undefined, evidence };
  return refused(functionName, evidence, remedyOf(refusal));
}

function remedyOf({ status, code }: Refusal): string {
  if (BAD_CREDENTIALS.test(code)) {
    return "Check the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or the profile) and this machine's clock.";
  }
  if (status === 403 || /AccessDenied/.test(code)) {
    return "Allow lambda:InvokeFunction on this function; all permissions that are needed: kinglet policy aws";
  }
  return "Deploy the worker function again: kinglet deploy aws";
}

const refused = (functionName: string, evidence: string, remedy: string): KingletError =>
  new KingletError("COMPUTE_REFUSED", `the worker function ${functionName} can't be invoked: ${evidence}`, {
    remedy,
    details: { functionName },
  });

export const deletedMeanwhile = (functionName: string, region: string): KingletError =>
  new KingletError(
    "COMPUTE_REFUSED",
    `the worker function ${functionName} isn't there in ${region}: somebody deletes it`,
    { remedy: "Deploy it again: kinglet deploy aws", details: { functionName, region } },
  );

export const wrongVersion = (functionName: string, theirs: string): KingletError =>
  new KingletError(
    "VERSION_MISMATCH",
    `the worker function ${functionName} runs Kinglet ${theirs}, this program ${version}`,
    {
      remedy: "Deploy the worker of this version: kinglet deploy aws",
      details: { functionName, theirs, ours: version },
    },
  );

export const noSuchRegion = (region: string, endpoint: string | undefined, cause: Error): KingletError => {
  const host = new URL(endpoint ?? lambdaOrigin(region)).host;
  return new KingletError("COMPUTE_UNAVAILABLE", `the server ${host} can't be found: ${cause.message}`, {
    cause,
    remedy: `Is ${region} the right region (option aws.region, or AWS_REGION), and is the network up?`,
    details: { region },
  });
};

/** Ways to fail that another try won't mend: the function's code isn't what it should be. */
const BROKEN_CODE =
  /^(Runtime\.(ImportModuleError|HandlerNotFound|UserCodeSyntaxError|InvalidEntrypoint|MalformedHandlerName|NodeJsExit)|Handler\.\w+)$/;

export interface Death {
  readonly error: FunctionError;
  readonly functionName: string;
  /** The last lines of the environment's log. */
  readonly logTail: string | undefined;
  readonly started: boolean;
  readonly cutOff: Pick<Failure, "startedTask" | "mayHaveStarted">;
  /** What the platform's log says of an environment that didn't start. */
  readonly startFailure: string | undefined;
}

/** An environment ended as a whole, and nobody in it could say why: what Lambda says. */
export function endOfDeath(death: Death): Failure | KingletError {
  const { error, functionName, logTail, started, cutOff, startFailure } = death;
  const { errorType, errorMessage } = parsed(error.details);
  const type = errorType ?? error.code;
  const memory = memoryOf(logTail);
  const evidence = [
    `${type}: ${errorMessage ?? error.details}`,
    ...(memory ? [`memory: at most ${memory.usedMb} of ${memory.sizeMb} MB`] : []),
    ...(startFailure ? [startFailure] : []),
  ].join("; ");
  if (!started && BROKEN_CODE.test(type)) {
    return refused(functionName, evidence, "Deploy the worker function again: kinglet deploy aws");
  }
  const isFull = memory !== undefined && memory.usedMb >= FULL_PART * memory.sizeMb;
  if (isFull && /signal: killed|OutOfMemory/i.test(evidence)) {
    return { kind: "out-of-memory", ...cutOff, evidence };
  }
  if (/Sandbox\.Timedout|Task timed out/.test(evidence) && started) {
    return { kind: "timed-out", ...cutOff, evidence };
  }
  return { kind: "crashed", ...cutOff, evidence };
}

const FULL_PART = 0.95;

function parsed(details: string): { errorType?: string; errorMessage?: string } {
  try {
    return JSON.parse(details) as { errorType?: string; errorMessage?: string };
  } catch {
    return {};
  }
}

/** Of the REPORT line. */
function memoryOf(logTail: string | undefined): { usedMb: number; sizeMb: number } | undefined {
  const [, sizeMb, usedMb] = /Memory Size: (\d+) MB\s+Max Memory Used: (\d+) MB/.exec(logTail ?? "") ?? [];
  return sizeMb === undefined ? undefined : { usedMb: Number(usedMb), sizeMb: Number(sizeMb) };
}
