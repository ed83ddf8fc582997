import { StoreError } from "../errors.ts";

/** A key's greatest length, in bytes of UTF-8. Below S3's 1,024, which leaves room for a prefix. */
export const MAX_KEY_BYTES = 900;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const FORBIDDEN = /[\u0000-\u001f\u007f\\]/;

/**
 * Checks a key against the contract: `/`-separated, relative, 1–900 bytes of UTF-8, no empty, `.` or `..` segment,
 * no control character, no backslash.
 *
 * @throws StoreError BAD_KEY, naming the key and the rule that it breaks
 * @example checkKey("jobs/j1/outcome"); // fine
 *          checkKey("../secrets");      // throws
 */
export function checkKey(key: string): void {
  const fault = faultOf(key) ?? segmentsFault(key.split("/"));
  if (fault !== undefined) throw badKey(key, fault);
}

/**
 * Checks the start of keys, as `list` takes it: "" for all, and its last segment may be cut anywhere.
 *
 * @throws StoreError BAD_KEY
 */
export function checkPrefix(prefix: string): void {
  if (prefix === "") return;
  const fault = faultOf(prefix) ?? segmentsFault(prefix.split("/").slice(0, -1));
  if (fault !== undefined) throw badKey(prefix, fault);
}

export function badKey(key: unknown, fault: string, remedy?: string, cause?: unknown): StoreError {
  const shown =
    typeof key === "string" ? JSON.stringify(key.length > 200 ? `${key.slice(0, 200)}…` : key) : String(key);
  return new StoreError("BAD_KEY", `${shown} can't be a key of an object: ${fault}`, {
    remedy:
      remedy ??
      `Use segments joined by "/", ${MAX_KEY_BYTES} bytes at most, without "." or ".." segments, backslashes or control characters.`,
    details: { key },
    ...(cause === undefined ? {} : { cause }),
  });
}

function faultOf(key: string): string | undefined {
  if (typeof key !== "string") return `it is ${key === null ? "null" : `a ${typeof key}`}, not a string`;
  if (key === "") return "it is empty";
  // No character takes more than three bytes of UTF-8 for each code unit: most keys need no counting.
  if (key.length * 3 > MAX_KEY_BYTES) {
    const sizeBytes = Buffer.byteLength(key);
    if (sizeBytes > MAX_KEY_BYTES) return `it is ${sizeBytes} bytes long, more than ${MAX_KEY_BYTES}`;
  }
  if (FORBIDDEN.test(key)) return "it holds a control character or a backslash";
  if (!key.isWellFormed()) return "it holds half of a surrogate pair, which has no UTF-8";
  return undefined;
}

function segmentsFault(segments: readonly string[]): string | undefined {
  for (const segment of segments) {
    if (segment === "") return 'it has an empty segment (a "/" at an end, or two in a row)';
    if (segment === "." || segment === "..") return `it has a "${segment}" segment`;
  }
  return undefined;
}
