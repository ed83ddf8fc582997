import { KingletError } from "../errors.ts";
import { harmless, harmlessLines } from "../observe/text.ts";
import { exitCodeOf } from "./exit-codes.ts";

/** A line on stdout: what the command was asked for. */
export const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** A line on stderr: what is said beside it. */
export const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

export const printJson = (value: unknown): void => print(JSON.stringify(value, undefined, 2));

/** `kinglet: CODE message`, what to do about it on the next line, and the stack with `--debug`. */
export function sayError(error: unknown, debug: boolean): number {
  if (error instanceof KingletError) {
    say(harmlessLines(`kinglet: ${error.code} ${error.message}`));
  } else {
    const message = error instanceof Error ? error.message : String(error);
    say(harmlessLines(`kinglet: INTERNAL ${message}`));
    if (!debug) say("    Add --debug to see where.");
  }
  if (debug && error instanceof Error) {
    say(harmlessLines(error.stack ?? ""));
    if (error.cause instanceof Error) say(harmlessLines(`caused by ${error.cause.stack}`));
  }
  return exitCodeOf(error);
}

/**
 * Rows in columns as wide as their longest cell; `right` names the columns of numbers. The last column is not
 * padded. Cells are stripped of anything that a terminal would obey.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[],
): string[] {
  const cells = [head, ...rows.map((row) => row.map(harmless))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells.map((row) =>
    row
      .map((cell, column) => {
        if (right.includes(head[column]!)) return cell.padStart(widths[column]!);
        return column === head.length - 1 ? cell : cell.padEnd(widths[column]!);
      })
      .join("  ")
      .trimEnd(),
  );
}

/** `| head` closed the pipe: there is nobody left to talk to. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}
