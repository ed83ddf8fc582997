import type { CodeRecord, MappingPoint } from "../codec/graph/nodes.ts";
import { areFilesElsewhere, placeThere } from "./elsewhere.ts";
import type { SourcePosition } from "./positions.ts";

/** Code that was restored in this process, by its hash, for turning stacks back to the user's lines. */
const records = new Map<string, CodeRecord>();
const KEPT_RECORDS = 512;

export function rememberMapping(record: CodeRecord): void {
  if (records.has(record.hash)) return;
  if (records.size >= KEPT_RECORDS) records.delete(records.keys().next().value!);
  records.set(record.hash, record);
}

const PLACE = /kinglet:([0-9a-f]{16}):(\d+):(\d+)/g;
const PLACE_IN_LINE = /kinglet:[0-9a-f]{16}:\d+:\d+/;

/**
 * A stack with the user's own files, lines and columns in place of those of restored code. Frames of the code that
 * Kinglet wrote around it are left out.
 */
export function mapStack(stack: string): string {
  return onDriver(withoutOwnTail(stack.includes("kinglet:") ? inUsersLines(stack) : stack));
}

/** Frames in modules of a code package name the driver's files. */
function onDriver(stack: string): string {
  if (!areFilesElsewhere()) return stack;
  return stack.replace(FRAME_PLACE, (place) => placeThere(place));
}

const FRAME_PLACE = /(?<=^\s+at .*?)(?:file:\/\/\/?|\/)[^\n]*?(?=:\d+:\d+\)?$)/gm;

/** Where Kinglet's own code lies: `src/`, or `dist/` when it is built. */
const OWN_FOLDER = new URL(import.meta.url.includes("/src/capture/") ? ".." : ".", import.meta.url).href;
const GENERATOR_FRAME = /^\s+at \S+\.next \(<anonymous>\)$/;

/** Without the last frames if they are those of Kinglet's worker, which called the user's function. */
function withoutOwnTail(stack: string): string {
  if (!stack.includes(OWN_FOLDER)) return stack;
  const lines = stack.split("\n");
  while (lines.length > 1 && (lines.at(-1)!.includes(OWN_FOLDER) || GENERATOR_FRAME.test(lines.at(-1)!)))
    lines.pop();
  return lines.join("\n");
}

/**
 * The user's own position of one in restored code; undefined in all other files, and in Kinglet's own text.
 *
 * @param url of the script: `kinglet:` and the hash of its code. Line and column from 0
 */
export function positionOfRestored(url: string, line: number, column: number): SourcePosition | undefined {
  const record = url.startsWith("kinglet:") ? records.get(url.slice("kinglet:".length)) : undefined;
  return record && originalPosition(record, line, column);
}

function inUsersLines(stack: string): string {
  const lines: string[] = [];
  for (const line of stack.split("\n")) {
    const mapped = line.replace(PLACE, (place, hash: string, lineNumber: string, column: string) => {
      const record = records.get(hash);
      return (record && originalPlace(record, Number(lineNumber) - 1, Number(column) - 1)) ?? place;
    });
    if (/^\s+at /.test(line) && mapped === line && PLACE_IN_LINE.test(line)) continue;
    lines.push(mapped);
  }
  return lines.join("\n");
}

/** `/home/me/report.ts:13:15`; undefined in Kinglet's own text. Line and column from 0. */
function originalPlace(record: CodeRecord, line: number, column: number): string | undefined {
  const position = originalPosition(record, line, column);
  return position && `${position.path}:${position.line + 1}:${position.column + 1}`;
}

function originalPosition(record: CodeRecord, line: number, column: number): SourcePosition | undefined {
  const point = pointBefore(record.mapping, line, column);
  if (!point || point[2] < 0) return undefined;
  const [pointLine, pointColumn, source, sourceLine, sourceColumn] = point;
  const isSameLine = line === pointLine;
  const originalLine = sourceLine + line - pointLine;
  const originalColumn = isSameLine ? sourceColumn + column - pointColumn : column;
  return { path: record.sources[source]!, line: originalLine, column: originalColumn };
}

function pointBefore(
  mapping: readonly MappingPoint[],
  line: number,
  column: number,
): MappingPoint | undefined {
  let low = 0;
  let high = mapping.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [pointLine, pointColumn] = mapping[middle]!;
    if (pointLine < line || (pointLine === line && pointColumn <= column)) low = middle + 1;
    else high = middle - 1;
  }
  return mapping[high];
}
