import { UsageError } from "../errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Milliseconds of `90s`, `30min`, `12h`, `7d`, `2w`.
 * @throws UsageError BAD_ARGUMENT naming the option
 */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text.trim());
  const unitMs = match && UNIT_MS[match[2]!];
  if (unitMs) return Number(match[1]) * unitMs;
  throw new UsageError("BAD_ARGUMENT", `${option}: ${JSON.stringify(text)} is no duration`, {
    remedy: `Write a number and a unit (${Object.keys(UNIT_MS).join(", ")}), such as 7d or 12h.`,
    details: { option },
  });
}

/** A whole number ≥ `min` of the command line. @throws UsageError BAD_ARGUMENT naming the option */
export function parseWhole(text: string, option: string, min: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text.trim()) && Number.isSafeInteger(value) && value >= min) return value;
  throw new UsageError(
    "BAD_ARGUMENT",
    `${option}: ${JSON.stringify(text)} is no whole number from ${min} on`,
    {
      remedy: `Write it like ${option} ${Math.max(min, 12)}.`,
      details: { option },
    },
  );
}
