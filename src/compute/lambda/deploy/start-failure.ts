import type { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import { logGroupOf } from "./names.ts";
import { delay, type Patience } from "./wait.ts";

/** Lines arrive in CloudWatch some seconds late: when it is looked for them, after the first look. */
const LOOK_AGAIN_MS = [1000, 2000, 3000];
const MAX_LINES = 1000;
const MAX_MESSAGE = 500;

/** Of the function's log since `sinceMs`; undefined where it says nothing or can't be read. Never throws. */
export async function readStartFailure(
  logs: CloudWatchLogs,
  functionName: string,
  sinceMs: number,
  { clock }: Pick<Patience, "clock">,
): Promise<string | undefined> {
  for (const pauseMs of [0, ...LOOK_AGAIN_MS]) {
    if (pauseMs > 0) await delay(clock, pauseMs);
    let lines: string[];
    try {
      const { events } = await logs.filterLogEvents({
        logGroupName: logGroupOf(functionName),
        startTime: sinceMs,
        limit: MAX_LINES,
      });
      lines = (events ?? []).map(({ message }) => message ?? "");
    } catch {
      return undefined;
    }
    const found = startFailureIn(lines);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * What Lambda's own log lines say of an environment that didn't start or was killed, the most telling first: the error of a module,
 * the initialisation's status, memory at its limit, the runtime's exit.
 *
 * Source: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle" and "Troubleshoot execution".
 */
export function startFailureIn(lines: readonly string[]): string | undefined {
  return (
    first(lines, uncaughtIn) ??
    first(lines, failedInitIn) ??
    first(lines, failedReportIn) ??
    first(lines, exitIn)
  );
}

function first(lines: readonly string[], find: (line: string) => string | undefined): string | undefined {
  for (const line of lines) {
    const found = find(line);
    if (found !== undefined) return found.slice(0, MAX_MESSAGE);
  }
  return undefined;
}

/** `2026-01-01T…  -  ERROR  Init Error  {"errorType":"Error","errorMessage":"…","code":"ERR_MODULE_NOT_FOUND","stack":…}` */
function uncaughtIn(line: string): string | undefined {
  if (!/\b(?:Init Error|Uncaught Exception|Unhandled Promise Rejection|Invoke Error)\s+\{/.test(line))
    return undefined;
  const type = jsonString(line, "errorType");
  const message = jsonString(line, "errorMessage");
  return type || message ? [type, message].filter(Boolean).join(": ") : line.trim();
}

function jsonString(line: string, name: string): string | undefined {
  const found = new RegExp(`"${name}"\\s*:\\s*("(?:[^"\\\\]|\\\\.)*")`).exec(line)?.[1];
  return found === undefined ? undefined : (JSON.parse(found) as string);
}

/** `INIT_REPORT Init Duration: 152.27 ms  Phase: init  Status: error  Error Type: Runtime.ImportModuleError` */
function failedInitIn(line: string): string | undefined {
  const [, duration, status, type] =
    /^INIT_REPORT\s+Init Duration:\s*([\d.]+) ms.*?Status:\s*(error|timeout)(?:\s+Error Type:\s*(\S+))?/.exec(
      line,
    ) ?? [];
  if (!status) return undefined;
  if (status === "timeout") return `the initialisation took longer than Lambda allows (${duration} ms)`;
  return `the initialisation failed after ${duration} ms${type ? `: ${type}` : ""}`;
}

/** `REPORT RequestId: …  Duration: 3.12 ms … Memory Size: 128 MB  Max Memory Used: 128 MB  Status: error  Error Type: Runtime.OutOfMemory` */
function failedReportIn(line: string): string | undefined {
  if (!line.startsWith("REPORT ")) return undefined;
  const sizeMb = Number(/Memory Size:\s*(\d+) MB/.exec(line)?.[1]);
  const usedMb = Number(/Max Memory Used:\s*(\d+) MB/.exec(line)?.[1]);
  const [, status, type] = /Status:\s*(error|timeout)(?:\s+Error Type:\s*(\S+))?/.exec(line) ?? [];
  const memory = usedMb >= sizeMb ? `, ${usedMb} MB of its ${sizeMb} MB of memory used` : "";
  if (type === "Runtime.OutOfMemory") return `Runtime.OutOfMemory${memory}`;
  if (!status) return memory === "" ? undefined : `memory at its limit: ${usedMb} MB of ${sizeMb} MB used`;
  return `the invocation ended as ${status}${type ? ` (${type})` : ""}${memory}`;
}

/** `RequestId: … Error: Runtime exited with error: signal: killed` */
function exitIn(line: string): string | undefined {
  const found =
    /Error: (Runtime exited.*|.*Task timed out after.*)/.exec(line)?.[1] ??
    /Task timed out after .*/.exec(line)?.[0];
  return found?.trim();
}
