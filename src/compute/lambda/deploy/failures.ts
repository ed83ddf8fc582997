import { type ErrorCode, KingletError } from "../../../errors.ts";

/** What AWS said, whichever client heard it. */
export interface AwsAnswer {
  /** AWS's name of the error, such as `AccessDeniedException`. */
  readonly name: string;
  readonly message: string;
  readonly status?: number;
}

/** What was being done, for messages. */
export interface AwsConcern {
  /** E.g. `make the function kinglet-1a2b3c4d-arm64-1769-0`. */
  readonly action: string;
  readonly region: string;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly what: string;
  readonly remedy: string;
  readonly details?: Record<string, unknown>;
}

const LOG_IN = "Log in again (aws sso login), or renew AWS_SESSION_TOKEN with its keys, and start again.";

const NO_CREDENTIALS: Omit<Meaning, "what"> = {
  code: "COMPUTE_REFUSED",
  remedy:
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE after `aws configure` or `aws sso login`; `kinglet doctor` says what it finds.",
};

/**
 * The error that an answer of AWS means: what was done, what AWS said, what mends it. A KingletError stays as it is.
 * Its details: `awsError` (AWS's name of it), `region`; of a missing permission `principal`, `permission`, `resource`.
 */
export function awsFailure(error: unknown, concern: AwsConcern): KingletError {
  if (error instanceof KingletError) return error;
  const answer = answerOf(error);
  const { code, what, remedy, details } = meaningOf(answer, concern, error);
  return new KingletError(code, `AWS Lambda in ${concern.region}: can't ${concern.action}: ${what}`, {
    cause: error,
    remedy,
    details: { awsError: answer.name, region: concern.region, ...details },
  });
}

export function answerOf(error: unknown): AwsAnswer {
  const { name, message, code, $metadata } = error as {
    name?: string;
    message?: string;
    code?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  return {
    name: (name === "Error" || name === "TypeError" ? code : name) ?? "Error",
    message: message ?? String(error),
    ...(status === undefined ? {} : { status }),
  };
}

/** Whether it is one of these errors. */
export const isAws = (error: unknown, ...names: readonly string[]): boolean =>
  names.includes(answerOf(error).name);

/** A role that was made a moment ago isn't known everywhere yet. */
export const roleIsNotReady = (error: unknown): boolean =>
  isAws(error, "InvalidParameterValueException") &&
  /role defined for the function cannot be assumed|not authorized to perform: sts:AssumeRole/i.test(
    answerOf(error).message,
  );

function meaningOf(answer: AwsAnswer, { region }: AwsConcern, error: unknown): Meaning {
  return (
    deniedOf(answer) ??
    identityOf(answer, region) ??
    networkOf(error, region) ??
    limitOf(answer) ??
    (roleIsNotReady(error) ? ROLE : undefined) ??
    otherOf(answer)
  );
}

const ROLE: Meaning = {
  code: "COMPUTE_REFUSED",
  what: "Lambda can't assume the function's role",
  remedy:
    "If the role was made a moment ago, try again in a minute. One of your own (aws.roleArn) must trust lambda.amazonaws.com: sts:AssumeRole.",
};

/** `User: arn:… is not authorized to perform: lambda:CreateFunction on resource: arn:… because …` */
const DENIED = /(?:User: )?(arn:\S+) is not authorized to perform: ([\w-]+:\w+)(?: on resource: (\S+))?/;

function deniedOf({ name, message }: AwsAnswer): Meaning | undefined {
  if (!/^(?:AccessDenied(?:Exception)?|UnauthorizedOperation|AuthorizationError)$/.test(name))
    return undefined;
  const [, principal, permission, resource] = DENIED.exec(message) ?? [];
  if (!principal || !permission) {
    return { code: "COMPUTE_REFUSED", what: message, remedy: `${LET_IT}.` };
  }
  const on = resource ? ` on ${resource.replace(/[.,]$/, "")}` : "";
  const why = /explicit deny/.test(message) ? " (a policy denies it expressly)" : "";
  return {
    code: "COMPUTE_REFUSED",
    what: `${principal} may not ${permission}${on}${why}`,
    remedy: `${LET_IT}; or let someone who may run \`kinglet deploy aws\`: then \`kinglet policy aws --for user\` is enough.`,
    details: { principal, permission, ...(resource ? { resource } : {}) },
  };
}

const LET_IT = "Give it the policy that `kinglet policy aws --for deployer` prints";

function identityOf({ name, message }: AwsAnswer, region: string): Meaning | undefined {
  switch (name) {
    case "CredentialsProviderError":
    case "TokenProviderError":
    case "MissingAuthenticationToken":
    case "MissingAuthenticationTokenException":
      if (/expired/i.test(message)) return { code: "COMPUTE_REFUSED", what: message, remedy: LOG_IN };
      return { ...NO_CREDENTIALS, what: `there are no credentials (${message})` };
    case "ExpiredToken":
    case "ExpiredTokenException":
    case "RequestExpired":
      return { code: "COMPUTE_REFUSED", what: "the credentials have expired", remedy: LOG_IN };
    case "UnrecognizedClientException":
    case "InvalidClientTokenId":
    case "InvalidAccessKeyId":
      return {
        code: "COMPUTE_REFUSED",
        what: `AWS doesn't know the credentials (${message})`,
        remedy: `Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN or AWS_PROFILE. If they work elsewhere, ${region} may be a region that your account hasn't turned on: set AWS_REGION.`,
      };
    case "InvalidSignatureException":
    case "SignatureDoesNotMatch":
    case "RequestTimeTooSkewed":
      return {
        code: "COMPUTE_REFUSED",
        what: message,
        remedy: /expired|skew|yet current/i.test(message)
          ? "Set this machine's clock: AWS allows 5 minutes of difference."
          : "The secret access key doesn't belong to the access key: check AWS_SECRET_ACCESS_KEY.",
      };
    default:
      return undefined;
  }
}

function networkOf(error: unknown, region: string): Meaning | undefined {
  for (
    let at = error as { code?: string; hostname?: string; message?: string; cause?: unknown } | undefined;
    at;
  ) {
    const { code, hostname, message } = at;
    if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
      return {
        code: "COMPUTE_UNAVAILABLE",
        what: `the host ${hostname ?? ""} isn't found`.replace("  ", " "),
        remedy: `Is ${JSON.stringify(region)} a region of AWS, and this machine connected? Regions are set by AWS_REGION or the option aws.region.`,
      };
    }
    if (/^(?:ECONN\w+|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|UND_ERR_\w+)$/.test(code ?? "")) {
      return {
        code: "COMPUTE_UNAVAILABLE",
        what: `AWS can't be reached (${message ?? code})`,
        remedy: "Check the network, proxies, and AWS_ENDPOINT_URL if it is set; then start again.",
      };
    }
    at = at.cause as typeof at;
  }
  return undefined;
}

function limitOf({ name, message }: AwsAnswer): Meaning | undefined {
  if (/MemorySize|memory/i.test(message) && /less than or equal to (\d+)/.test(message)) {
    const [, most] = /less than or equal to (\d+)/.exec(message)!;
    return {
      code: "COMPUTE_REFUSED",
      what: `this account's functions may have ${most} MB of memory at most`,
      remedy: `Set aws.memoryMb and aws.maxMemoryMb to ${most} or less, or ask AWS for more (Service Quotas, or the support centre).`,
      details: { maxMemoryMb: Number(most) },
    };
  }
  if (name === "CodeStorageExceededException") {
    return {
      code: "COMPUTE_REFUSED",
      what: "the region's space for functions' code is used up",
      remedy:
        "`kinglet destroy aws --old` deletes functions of earlier versions; or ask AWS for more (Service Quotas).",
    };
  }
  if (/^Request(?:Entity)?TooLargeException$/.test(name) || /Unzipped size must be smaller/.test(message)) {
    return {
      code: "COMPUTE_REFUSED",
      what: `the workers' zip is too big (${message})`,
      remedy: "Install kinglet again; Lambda takes 50 MB zipped, and 250 MB unzipped.",
    };
  }
  if (name === "LimitExceeded" || name === "LimitExceededException") {
    return {
      code: "COMPUTE_REFUSED",
      what: `a limit of the account is reached (${message})`,
      remedy:
        "`kinglet destroy aws --old` deletes what earlier versions left; or ask AWS for more (Service Quotas).",
    };
  }
  return undefined;
}

function otherOf({ name, message, status }: AwsAnswer): Meaning {
  const isLater =
    status === 429 ||
    (status ?? 0) >= 500 ||
    /Throttl|TooManyRequests|ServiceException|ServiceFailure/.test(name);
  if (isLater) {
    return {
      code: "COMPUTE_UNAVAILABLE",
      what: `${name}: ${message}`,
      remedy: "AWS asks for patience: try again in a minute.",
    };
  }
  return {
    code: "COMPUTE_REFUSED",
    what: `${name}: ${message}`,
    remedy: "`kinglet doctor` checks what functions need; `kinglet status aws` shows those that are there.",
  };
}
