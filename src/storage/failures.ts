import { type ErrorCode, StoreError } from "../errors.ts";

/** How the system's error numbers read as a store's failures. What is not named here is worth a retry. */
const CODE_OF_ERRNO: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "NOT_FOUND",
  ENOTDIR: "NOT_FOUND",
  EACCES: "STORE_UNWRITABLE",
  EPERM: "STORE_UNWRITABLE",
  EROFS: "STORE_UNWRITABLE",
  ENOSPC: "STORE_FULL",
  EDQUOT: "STORE_FULL",
  // The process's own limit on the size of a file (`ulimit -f`), or the filesystem's.
  EFBIG: "STORE_FULL",
  ELOOP: "STORE_CORRUPT",
  ENAMETOOLONG: "BAD_KEY",
};

const REMEDY_OF: Partial<Record<ErrorCode, string>> = {
  STORE_UNWRITABLE: "Give this user the right to write there, or choose another folder with KINGLET_STORAGE.",
  STORE_FULL:
    "Make room (`kinglet clean` removes finished jobs), or choose another folder with KINGLET_STORAGE.",
  STORE_CORRUPT: "Remove the object, and run what wrote it again.",
  BAD_KEY: "Use a shorter key, or a shorter path of the store's folder.",
};

/** The `code` of a system error such as `ENOSPC`, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^E(?!RR_)[A-Z0-9]+$/.test(code) ? code : undefined;
}

/**
 * A system error as the StoreError that it means; StoreErrors stay as they are.
 *
 * @param action what was done, e.g. `write "jobs/j1/spec"`
 */
export function storeFailure(error: unknown, action: string, key?: string): unknown {
  const errno = errnoOf(error);
  if (error instanceof StoreError || errno === undefined) return error;
  const code = CODE_OF_ERRNO[errno] ?? "STORE_UNAVAILABLE";
  const reason =
    errno === "ELOOP"
      ? "a symbolic link stands there, and Kinglet follows none inside a store"
      : (error as Error).message;
  const remedy = REMEDY_OF[code];
  return new StoreError(code, `can't ${action}: ${reason}`, {
    cause: error,
    ...(remedy === undefined ? {} : { remedy }),
    details: { key },
  });
}

export function notFound(key: string, where: string): StoreError {
  return new StoreError("NOT_FOUND", `there is no object ${JSON.stringify(key)} in ${where}`, {
    details: { key },
  });
}

export const isNotFound = (error: unknown): boolean =>
  error instanceof StoreError && error.code === "NOT_FOUND";

export function corrupt(key: string, where: string, what: string): StoreError {
  return new StoreError(
    "STORE_CORRUPT",
    `the object ${JSON.stringify(key)} in ${where} is damaged: ${what}`,
    {
      remedy: REMEDY_OF.STORE_CORRUPT!,
      details: { key },
    },
  );
}

/** A log that exists can't be opened, whoever wrote it. */
export function logExists(key: string): StoreError {
  return new StoreError(
    "BAD_KEY",
    `can't open the log ${JSON.stringify(key)}: there is an object or a log of that key`,
    {
      remedy: NEVER_REOPENED,
      details: { key },
    },
  );
}

export function logEnded(key: string, why: string): StoreError {
  return new StoreError("STORE_UNWRITABLE", `can't append to the log ${JSON.stringify(key)}: ${why}`, {
    remedy: NEVER_REOPENED,
    details: { key },
  });
}

const NEVER_REOPENED = "A log is never reopened: use a new key.";
