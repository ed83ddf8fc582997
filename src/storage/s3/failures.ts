import { type ErrorCode, StoreError } from "../../errors.ts";
import type { HttpResponse } from "./transport.ts";
import { parseXml, textOf, type XmlElement } from "./xml.ts";

/** What a request was about, for messages. */
export interface Concern {
  /** E.g. `write "a/b"`. */
  readonly action: string;
  /** The store's description. */
  readonly where: string;
  readonly bucket: string;
  readonly region: string;
  readonly key?: string;
  readonly writes: boolean;
}

interface Meaning {
  readonly code: ErrorCode;
  /** In place of the server's own words. */
  readonly reason?: string | ((answer: Answer) => string);
  readonly remedy?: string | ((answer: Answer) => string);
}

/** What the server said, and about what. */
interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly xml: XmlElement | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly concern: Concern;
  readonly nowMs: number;
}

const WRONG_KEY = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they are of this server.";
const EXPIRED = "Get new ones (aws sso login, …), and start again.";
const REGION = "Set AWS_REGION, or write it into the storage: s3://…?region=…";

const expired: Meaning = {
  code: "STORE_REFUSED",
  reason: "the credentials have expired",
  remedy: EXPIRED,
};

const wrongRegion: Meaning = {
  code: "STORE_REFUSED",
  reason: ({ concern, ...answer }) => {
    const right = regionIn(answer);
    return `the bucket ${JSON.stringify(concern.bucket)} is not in ${concern.region}${right ? ` but in ${right}` : ""}`;
  },
  remedy: (answer) => {
    const right = regionIn(answer);
    return right ? `Set AWS_REGION=${right}, or write the storage with ?region=${right}` : REGION;
  },
};

const denied: Meaning = {
  code: "STORE_REFUSED",
  reason: ({ concern }) =>
    `these credentials may not ${concern.writes ? "write" : "read"} in the bucket ${JSON.stringify(concern.bucket)}`,
  remedy: ({ concern }) =>
    concern.writes
      ? "Allow s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on its objects, or use other credentials."
      : "Allow s3:GetObject on its objects and s3:ListBucket on the bucket, or use other credentials.",
};

const slower: Meaning = { code: "STORE_UNAVAILABLE", reason: "the server asks for fewer requests" };
const broken: Meaning = { code: "STORE_UNAVAILABLE" };

const damagedUpload: Meaning = { code: "STORE_UNAVAILABLE", reason: "the body was damaged on its way" };

/** S3's error codes. What is neither here nor in MEANING_OF_STATUS is worth a retry if its status is 5xx. */
const MEANING_OF_CODE: Readonly<Record<string, Meaning>> = {
  InvalidAccessKeyId: {
    code: "STORE_REFUSED",
    reason: "the server doesn't know the access key",
    remedy: WRONG_KEY,
  },
  SignatureDoesNotMatch: {
    code: "STORE_REFUSED",
    reason: "the secret access key doesn't belong to the access key",
    remedy: WRONG_KEY,
  },
  InvalidToken: {
    code: "STORE_REFUSED",
    reason: "the session token is not valid",
    remedy: "Check AWS_SESSION_TOKEN: it belongs to one access key, and long-lived keys have none.",
  },
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  TokenRefreshRequired: expired,
  NoSuchBucket: {
    code: "STORE_REFUSED",
    reason: ({ concern }) => `there is no bucket ${JSON.stringify(concern.bucket)}`,
    remedy: ({ concern }) =>
      `Make it (aws s3 mb s3://${concern.bucket}), or check the storage's name, endpoint and region.`,
  },
  AccessDenied: denied,
  AllAccessDisabled: denied,
  AccountProblem: denied,
  PermanentRedirect: wrongRegion,
  TemporaryRedirect: wrongRegion,
  AuthorizationHeaderMalformed: wrongRegion,
  IllegalLocationConstraintException: wrongRegion,
  RequestTimeTooSkewed: {
    code: "STORE_REFUSED",
    reason: (answer) => `this machine's clock is ${skewOf(answer)}`,
    remedy: "Set the clock: S3 allows 15 minutes of difference.",
  },
  NotImplemented: {
    code: "STORE_REFUSED",
    reason: "the server can't do that",
    remedy:
      "Use a server that knows conditional writes (If-None-Match), multipart uploads and batch deletes.",
  },
  QuotaExceeded: { code: "STORE_FULL", remedy: "`kinglet clean` removes finished jobs; or raise the quota." },
  TooManyBuckets: { code: "STORE_FULL" },
  NoSuchKey: { code: "NOT_FOUND", reason: "there is no such object" },
  KeyTooLongError: {
    code: "BAD_KEY",
    reason: "the key is too long",
    remedy: "Use a shorter key, or a shorter path in the storage's URL.",
  },
  NoSuchUpload: broken,
  BadDigest: damagedUpload,
  XAmzContentSHA256Mismatch: damagedUpload,
  IncompleteBody: broken,
  RequestTimeout: broken,
  ConditionalRequestConflict: broken,
  OperationAborted: broken,
  InternalError: broken,
  ServiceUnavailable: slower,
  SlowDown: slower,
  SlowDownRead: slower,
  SlowDownWrite: slower,
  Throttling: slower,
  ThrottlingException: slower,
  TooManyRequests: slower,
  RequestLimitExceeded: slower,
  BandwidthLimitExceeded: slower,
};

/** For answers without a body that says more: those to HEAD, and those of proxies. */
const MEANING_OF_STATUS: Readonly<Record<number, Meaning>> = {
  301: wrongRegion,
  307: wrongRegion,
  401: denied,
  403: denied,
  404: { code: "NOT_FOUND", reason: "there is no such object" },
  408: broken,
  429: slower,
  501: MEANING_OF_CODE.NotImplemented!,
  503: slower,
};

/** The StoreError of an answer that isn't what was asked for. */
export async function failureOf(
  response: HttpResponse,
  concern: Concern,
  nowMs: number,
): Promise<StoreError> {
  const { status, headers } = response;
  const xml = response.body.byteLength > 0 ? await parseXml(response.body) : undefined;
  const code = textOf(xml, "Code");
  const answer = { status, headers, code, message: textOf(xml, "Message"), xml, concern, nowMs };
  const meaning = meaningOf(answer);
  const reason = said(meaning.reason, answer) ?? (answer.message || `the server answered ${status}`);
  const remedy = said(meaning.remedy, answer);
  const shown = code ? `${reason} (${code})` : reason;
  return new StoreError(meaning.code, `can't ${concern.action} in ${concern.where}: ${shown}`, {
    ...(remedy === undefined ? {} : { remedy }),
    details: {
      key: concern.key,
      status,
      ...(code === undefined ? {} : { serverCode: code }),
      ...(meaning === slower ? { throttled: true } : {}),
    },
  });
}

function meaningOf(answer: Answer): Meaning {
  const { status, code, concern } = answer;
  // Some servers say 400 or 403 of a bucket elsewhere; the region that they name decides.
  if (regionIn(answer) && regionIn(answer) !== concern.region && status < 500) return wrongRegion;
  const meaning = (code ? MEANING_OF_CODE[code] : undefined) ?? MEANING_OF_STATUS[status];
  if (meaning === denied && concern.writes) return { ...denied, code: "STORE_UNWRITABLE" };
  if (meaning) return meaning;
  return { code: status >= 500 ? "STORE_UNAVAILABLE" : "STORE_REFUSED" };
}

const said = (text: Meaning["reason"], answer: Answer): string | undefined =>
  typeof text === "function" ? text(answer) : text;

function regionIn({ xml, headers }: Pick<Answer, "xml" | "headers">): string | undefined {
  return headers["x-amz-bucket-region"] ?? textOf(xml, "Region");
}

function skewOf({ xml, headers, nowMs }: Answer): string {
  const serverMs = Date.parse(textOf(xml, "ServerTime") ?? headers["date"] ?? "");
  if (Number.isNaN(serverMs)) return "wrong";
  const minutes = Math.round((nowMs - serverMs) / 60_000);
  return `${Math.abs(minutes)} minutes ${minutes < 0 ? "behind" : "ahead of"} the server's`;
}

const UNREACHABLE = "Check the endpoint and the region of the storage, the network, and proxies.";

/** What HttpFailures and the system call the ways in which no answer comes. */
const LOST: Readonly<Record<string, { readonly reason: string; readonly remedy?: string }>> = {
  ECONNREFUSED: { reason: "nothing listens there (connection refused)", remedy: UNREACHABLE },
  ENOTFOUND: { reason: "there is no such host", remedy: UNREACHABLE },
  EAI_AGAIN: { reason: "the host's name can't be looked up", remedy: UNREACHABLE },
  EHOSTUNREACH: { reason: "the host can't be reached", remedy: UNREACHABLE },
  ENETUNREACH: { reason: "the network can't be reached", remedy: UNREACHABLE },
  HTTP_CONNECT_TIMEOUT: { reason: "the server didn't accept a connection in time", remedy: UNREACHABLE },
  HTTP_NO_ANSWER: { reason: "the server didn't answer in time" },
  HTTP_ANSWER_STALLED: { reason: "the server stopped in the middle of its answer" },
  HTTP_ANSWER_SHORT: { reason: "the answer was shorter than its length" },
  HTTP_BROKEN_OFF: { reason: "the connection broke off" },
  ECONNRESET: { reason: "the connection broke off" },
  EPIPE: { reason: "the connection broke off" },
};

/** The StoreError of a request that got no answer, worth a retry; other errors (a signal's reason) stay as they are. */
export function lostFailure(error: unknown, { action, where, key }: Concern, origin: string): unknown {
  const code = codeOf(error);
  if (error instanceof StoreError || code === undefined) return error;
  if (code.startsWith("ERR_TLS") || code.includes("CERT") || code.startsWith("ERR_SSL")) {
    return new StoreError(
      "STORE_REFUSED",
      `can't ${action} in ${where}: no trusted connection to ${origin}: ${(error as Error).message}`,
      {
        cause: error,
        remedy: "Trust its certificate (NODE_EXTRA_CA_CERTS), or check the endpoint.",
        details: { key },
      },
    );
  }
  const { reason, remedy } = LOST[code] ?? { reason: (error as Error).message };
  return new StoreError("STORE_UNAVAILABLE", `can't ${action} in ${where}: ${origin}: ${reason}`, {
    cause: error,
    ...(remedy === undefined ? {} : { remedy }),
    details: { key },
  });
}

/** The error's code, or that of the first of several (one for each address of a host). */
function codeOf(error: unknown): string | undefined {
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: readonly unknown[] };
  if (typeof code === "string") return code;
  return errors?.length ? codeOf(errors[0]) : undefined;
}
