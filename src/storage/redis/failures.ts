import { type ErrorCode, KingletError, StoreError } from "../../errors.ts";

interface Meaning {
  readonly code: ErrorCode;
  readonly remedy?: string;
}

const RETRY: Meaning = { code: "STORE_UNAVAILABLE" };
const LOGIN: Meaning = {
  code: "STORE_UNWRITABLE",
  remedy:
    "Put the password into the environment variable KINGLET_REDIS_PASSWORD (or REDIS_PASSWORD), the user's name into the URL: redis://user@host.",
};

const UNTRUSTED: Meaning = {
  code: "STORE_REFUSED",
  remedy: "Trust the server's certificate (NODE_EXTRA_CA_CERTS), or check the host's name.",
};

/** By the first word of Redis's error. What is not named here is worth a retry. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  NOAUTH: LOGIN,
  WRONGPASS: LOGIN,
  NOPERM: {
    code: "STORE_UNWRITABLE",
    remedy:
      "Let the user read, write, run scripts and CLIENT TRACKING on keys of the store's prefix (ACL SETUSER).",
  },
  OOM: {
    code: "STORE_FULL",
    remedy: "Raise the server's maxmemory, or make room: `kinglet clean` removes finished jobs.",
  },
  READONLY: {
    code: "STORE_UNWRITABLE",
    remedy: "The server is a replica: give the address of the primary, or redis+cluster:// for a cluster.",
  },
  MISCONF: {
    code: "STORE_UNWRITABLE",
    remedy: "The server can't save its data to disk, and so takes no writes: look at its log.",
  },
  WRONGTYPE: {
    code: "STORE_CORRUPT",
    remedy: "Another program uses the same names: choose another prefix (redis://host?prefix=mine).",
  },
  CROSSSLOT: {
    code: "STORE_UNWRITABLE",
    remedy: "The server belongs to a cluster: write redis+cluster:// for redis://.",
  },
};

/** The server lacks what Kinglet uses. */
const TOO_OLD = /unknown command|unknown (sub)?command|syntax error|KEEPTTL/i;
const NOT_A_CLUSTER = /cluster support disabled/i;
const NO_DATABASE = /DB index is out of range|SELECT is not allowed in cluster mode/i;

/**
 * An error of ioredis or Redis as the StoreError that it means.
 *
 * @param action what was done, e.g. `write "a"`
 * @param connectionError why there is no connection, if that is known: what a call fails with doesn't say it
 */
export function redisFailure(
  error: unknown,
  action: string,
  where: string,
  connectionError?: Error,
  key?: string,
): Error {
  if (error instanceof KingletError) return error;
  const cause = rootOf(error, connectionError);
  const { code, remedy } = isDistrust(cause) ? UNTRUSTED : meaningOf(cause.message);
  const place = action === "connect" ? "to" : "in";
  return new StoreError(code, `can't ${action} ${place} ${where}: ${cause.message}`, {
    cause: withoutArguments(cause),
    ...(remedy === undefined ? {} : { remedy }),
    details: { key },
  });
}

/** Of TLS: trying again makes a certificate no better. */
function isDistrust(error: Error): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^ERR_(TLS|SSL)|CERT|UNABLE_TO_VERIFY/.test(code);
}

function meaningOf(message: string): Meaning {
  const known = MEANINGS[/^[A-Z]+/.exec(message)?.[0] ?? ""];
  if (known) return known;
  if (NOT_A_CLUSTER.test(message)) {
    return {
      code: "STORE_UNWRITABLE",
      remedy: "The server is no cluster: write redis:// for redis+cluster://.",
    };
  }
  if (NO_DATABASE.test(message)) {
    return {
      code: "STORE_UNWRITABLE",
      remedy: "Use a database that the server has: redis://host:6379/0. A cluster has database 0 only.",
    };
  }
  if (/without any password configured|Client sent AUTH/.test(message)) return LOGIN;
  if (/Unknown RESP type/.test(message)) {
    return {
      ...RETRY,
      remedy: "What answers there isn't Redis: check host and port, and rediss:// for TLS.",
    };
  }
  if (TOO_OLD.test(message)) return { code: "STORE_VERSION", remedy: "Kinglet needs Redis 6.2 or newer." };
  return RETRY;
}

/** MOVED, ASK, …: the call was refused because a cluster changes, so it can be sent again. */
export function isRedirection(error: unknown): boolean {
  return error instanceof Error && /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN) /.test(error.message);
}

/** The server doesn't know a script by its hash. */
export function isUnknownScript(error: unknown): boolean {
  return error instanceof StoreError && error.cause instanceof Error && /^NOSCRIPT/.test(error.cause.message);
}

/** What ioredis says where the reason is the connection. */
const CONNECTION_LOST =
  /Connection is closed|max retries per request|Stream isn't writeable|Cluster isn't ready|None of startup nodes|Failed to refresh slots|Command aborted|Cluster is ended/;

function rootOf(error: unknown, connectionError: Error | undefined): Error {
  let found = error instanceof Error ? error : new Error(String(error));
  if (CONNECTION_LOST.test(found.message) && connectionError) found = connectionError;
  const { lastNodeError } = found as { lastNodeError?: unknown };
  if (lastNodeError instanceof Error) found = lastNodeError;
  if (found instanceof AggregateError && found.message === "" && found.errors[0] instanceof Error) {
    found = found.errors[0];
  }
  return CONNECTION_LOST.test(found.message) ? new Error("the connection was lost", { cause: found }) : found;
}

/** ioredis attaches the command with its arguments: values, and the password of AUTH. */
function withoutArguments(error: Error): Error {
  delete (error as { command?: unknown }).command;
  return error;
}
