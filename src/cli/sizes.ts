import { UsageError } from "../errors.ts";

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/**
 * Bytes of `100TB`, `1.5 GB` (powers of 1,000), `64MiB` (powers of 1,024), or `1e9`.
 * @throws UsageError BAD_ARGUMENT naming the option
 */
export function parseSize(text: string, option: string): number {
  const [, number, prefix = "", binary, unit] =
    /^([\d.]+(?:e\d+)?)\s*([kmgtp]?)(i?)(b?)$/i.exec(text.trim()) ?? [];
  const power = UNITS.indexOf(`${prefix.toUpperCase()}B`);
  const bytes = Math.round(Number(number) * (binary ? 1024 : 1000) ** power);
  const isUnit = prefix === "" ? binary === "" : unit !== "";
  if (isUnit && Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UsageError("BAD_ARGUMENT", `${option}: ${JSON.stringify(text)} is no size`, {
    remedy: `Write a number and a unit, such as ${option} 100TB or ${option} 64MiB.`,
    details: { option },
  });
}
