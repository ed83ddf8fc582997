import { UsageError } from "../../errors.ts";
import { badKey } from "../keys.ts";
import { MAX_VALUE_BYTES } from "./contract.ts";

const MAX_KEY_BYTES = 1000;

/** @throws StoreError BAD_KEY */
export function checkKeyName(key: string): void {
  if (typeof key === "string" && key !== "" && key.length * 3 <= MAX_KEY_BYTES && key.isWellFormed()) return;
  const fault = faultOf(key);
  const remedy = `Use a string of 1 to ${MAX_KEY_BYTES} bytes of UTF-8.`;
  if (fault !== undefined) throw badKey(key, fault, remedy);
}

function faultOf(key: unknown): string | undefined {
  if (typeof key !== "string") return `it is ${key === null ? "null" : `a ${typeof key}`}, not a string`;
  if (key === "") return "it is empty";
  if (!key.isWellFormed()) return "it holds half of a surrogate pair, which has no UTF-8";
  const sizeBytes = Buffer.byteLength(key);
  return sizeBytes > MAX_KEY_BYTES ? `it is ${sizeBytes} bytes long, more than ${MAX_KEY_BYTES}` : undefined;
}

/** Checks a place in a value, where `lengthBytes` are to be written. @throws UsageError BAD_ARGUMENT */
export function checkSpan(key: string, offsetBytes: number, lengthBytes: number): void {
  if (Number.isSafeInteger(offsetBytes) && offsetBytes >= 0 && offsetBytes + lengthBytes <= MAX_VALUE_BYTES)
    return;
  const message = `can't write ${lengthBytes} bytes at byte ${offsetBytes} of the value of ${JSON.stringify(key)}`;
  throw new UsageError("BAD_ARGUMENT", message, {
    remedy: `A value has at most ${MAX_VALUE_BYTES} bytes: use several keys.`,
    details: { key },
  });
}

/** Checks a place in a value, to read from. @throws UsageError BAD_ARGUMENT */
export function checkReadSpan(key: string, offsetBytes: number, lengthBytes: number): void {
  if (Number.isSafeInteger(offsetBytes) && offsetBytes >= 0 && lengthBytes >= 0) return;
  const message = `a range of ${lengthBytes} bytes from byte ${offsetBytes} of ${JSON.stringify(key)} doesn't exist`;
  throw new UsageError("BAD_ARGUMENT", message, { details: { key } });
}

/** @throws UsageError BAD_ARGUMENT */
export function checkTtl(key: string, ttlMs: number | undefined): void {
  if (ttlMs === undefined || (Number.isSafeInteger(ttlMs) && ttlMs >= 1)) return;
  const message = `ttlMs of ${JSON.stringify(key)} is ${ttlMs}, not a whole number of milliseconds from 1 on`;
  throw new UsageError("BAD_ARGUMENT", message, { details: { key, option: "ttlMs" } });
}

/** @throws UsageError BAD_ARGUMENT */
export function checkStep(key: string, by: number): void {
  if (Number.isSafeInteger(by)) return;
  const message = `can't increment ${JSON.stringify(key)} by ${by}: it isn't a whole number within ±(2^53 - 1)`;
  throw new UsageError("BAD_ARGUMENT", message, { details: { key } });
}

/** The value that should be incremented, or the sum, is no whole number that a double holds. */
export function noCounter(key: string, why: string, cause?: unknown): UsageError {
  return new UsageError("BAD_ARGUMENT", `can't increment ${JSON.stringify(key)}: ${why}`, {
    details: { key },
    ...(cause === undefined ? {} : { cause }),
  });
}

export const NOT_WHOLE = "its value isn't a whole number in decimal digits";
export const TOO_GREAT = "the sum is beyond ±(2^53 - 1)";
