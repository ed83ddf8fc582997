import { harmless } from "../harmless-text.ts";

export { harmless };

/** As `harmless`, line by line: line breaks stay. */
export const harmlessLines = (text: string): string => text.split(/\r?\n/).map(harmless).join("\n");

/** `12 ms`, `3.4 s`, `2 min 5 s`, `3 h 20 min`, `5 d 2 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1) return `${ms <= 0 ? 0 : ms.toFixed(2)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const seconds = Math.round(ms / 1000);
  const largest = units.findIndex(([, size]) => seconds >= size);
  const [name, size] = units[largest]!;
  const [nextName, nextSize] = units[largest + 1] ?? ["s", 1];
  const rest = Math.floor((seconds % size) / nextSize);
  return `${Math.floor(seconds / size)} ${name}${rest > 0 ? ` ${rest} ${nextName}` : ""}`;
}

/** `1,234`. */
export const formatCount = (count: number): string => Math.round(count).toLocaleString("en");

/** `1 task`, `2 tasks`, `1,234 tasks`. */
export const countOf = (count: number, noun: string, plural = `${noun}s`): string =>
  `${formatCount(count)} ${count === 1 ? noun : plural}`;

/** `512 B`, `1.5 KiB`, `20 MiB`. */
export function formatSize(sizeBytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = sizeBytes;
  let unit = 0;
  while (size >= 1023.5 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit > 0 && size < 9.95 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** `$12.34`, `$0.0123`, `$0.0000042`: three figures below a dollar. */
export function formatUsd(usd: number): string {
  if (usd === 0 || usd >= 1) return `$${usd.toFixed(2)}`;
  const digits = Math.min(20, 2 - Math.floor(Math.log10(usd)));
  return `$${usd.toFixed(digits)}`;
}
