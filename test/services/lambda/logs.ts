import { randomBytes } from "node:crypto";
import { AwsError } from "./errors.ts";

export interface LogEvent {
  readonly eventId: string;
  readonly timestamp: number;
  readonly ingestionTime: number;
  readonly message: string;
}

interface LogStream {
  readonly creationTime: number;
  readonly events: LogEvent[];
}

interface LogGroup {
  readonly arn: string;
  readonly creationTime: number;
  readonly streams: Map<string, LogStream>;
  retentionInDays?: number;
}

type Input = Record<string, unknown>;

/**
 * CloudWatch Logs of one account in one region: what Lambda writes and what its readers ask.
 * https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html
 */
export class CloudWatchLogs {
  readonly #groups = new Map<string, LogGroup>();
  readonly #arnPrefix: string;
  readonly #ingestionMs: number;

  constructor(arnPrefix: string, ingestionMs: number) {
    this.#arnPrefix = arnPrefix;
    this.#ingestionMs = ingestionMs;
  }

  /** As Lambda does: group and stream come into being with the first line. */
  write(groupName: string, streamName: string, message: string): void {
    const group = this.#groups.get(groupName) ?? this.#newGroup(groupName);
    let stream = group.streams.get(streamName);
    if (!stream) {
      stream = { creationTime: Date.now(), events: [] };
      group.streams.set(streamName, stream);
    }
    const timestamp = Date.now();
    const eventId = `${timestamp}${randomBytes(8).readBigUInt64BE()}`.padStart(56, "3");
    stream.events.push({ eventId, timestamp, ingestionTime: timestamp + this.#ingestionMs, message });
  }

  /** @returns the answer of an operation of the JSON 1.1 protocol; undefined if there is no such operation */
  answer(operation: string, input: Input): object | undefined {
    const operations: Record<string, (input: Input) => object> = {
      CreateLogGroup: (asked) => this.#create(asked),
      DeleteLogGroup: (asked) => this.#delete(asked),
      DescribeLogGroups: (asked) => this.#describeGroups(asked),
      DescribeLogStreams: (asked) => this.#describeStreams(asked),
      FilterLogEvents: (asked) => this.#filter(asked),
      GetLogEvents: (asked) => this.#get(asked),
      PutRetentionPolicy: (asked) => this.#retain(asked),
    };
    return operations[operation]?.(input);
  }

  arnOf(input: Input): string {
    return `${this.#arnPrefix}${input["logGroupName"] ?? input["logGroupNamePrefix"] ?? "*"}`;
  }

  #newGroup(name: string): LogGroup {
    const group = { arn: `${this.#arnPrefix}${name}:*`, creationTime: Date.now(), streams: new Map() };
    this.#groups.set(name, group);
    return group;
  }

  #group(input: Input): LogGroup {
    const group = this.#groups.get(String(input["logGroupName"]));
    if (!group) throw logsError("ResourceNotFoundException", "The specified log group does not exist.");
    return group;
  }

  #create(input: Input): object {
    const name = String(input["logGroupName"]);
    if (this.#groups.has(name))
      throw logsError("ResourceAlreadyExistsException", "The specified log group already exists");
    this.#newGroup(name);
    return {};
  }

  #delete(input: Input): object {
    this.#group(input);
    this.#groups.delete(String(input["logGroupName"]));
    return {};
  }

  #retain(input: Input): object {
    this.#group(input).retentionInDays = Number(input["retentionInDays"]);
    return {};
  }

  #describeGroups(input: Input): object {
    const prefix = String(input["logGroupNamePrefix"] ?? "");
    const found = [...this.#groups].filter(([name]) => name.startsWith(prefix));
    const logGroups = found.map(([logGroupName, { arn, creationTime, retentionInDays }]) => ({
      ...{ logGroupName, arn, creationTime },
      ...(retentionInDays ? { retentionInDays } : {}),
    }));
    return { logGroups };
  }

  #describeStreams(input: Input): object {
    const prefix = String(input["logStreamNamePrefix"] ?? "");
    const group = this.#group(input);
    const logStreams = [...group.streams]
      .filter(([name]) => name.startsWith(prefix))
      .map(([logStreamName, { creationTime, events }]) => ({
        ...{ logStreamName, creationTime, arn: group.arn.replace(/\*$/, `log-stream:${logStreamName}`) },
        ...{ firstEventTimestamp: events[0]?.timestamp, lastEventTimestamp: events.at(-1)?.timestamp },
      }));
    if (input["orderBy"] === "LastEventTime")
      logStreams.sort((a, b) => (a.lastEventTimestamp ?? 0) - (b.lastEventTimestamp ?? 0));
    if (input["descending"]) logStreams.reverse();
    return { logStreams: logStreams.slice(0, Number(input["limit"] ?? 50)) };
  }

  #get(input: Input): object {
    const stream = this.#group(input).streams.get(String(input["logStreamName"]));
    if (!stream) throw logsError("ResourceNotFoundException", "The specified log stream does not exist.");
    const seen = stream.events.filter(isIngested).filter(within(input));
    const limit = Number(input["limit"] ?? 10_000);
    const start = Number(/^[fb]\/(\d+)$/.exec(String(input["nextToken"] ?? ""))?.[1] ?? 0);
    const events = seen.slice(start, start + limit);
    // At the end the same token comes again: that is how a reader knows.
    const next = start + events.length;
    return { events, nextForwardToken: `f/${next}`, nextBackwardToken: `b/${Math.max(0, start - limit)}` };
  }

  #filter(input: Input): object {
    const names = input["logStreamNames"] as string[] | undefined;
    const prefix = String(input["logStreamNamePrefix"] ?? "");
    const matches = matcherOf(String(input["filterPattern"] ?? ""));
    const found = [...this.#group(input).streams]
      .filter(([name]) => (names ? names.includes(name) : name.startsWith(prefix)))
      .flatMap(([logStreamName, { events }]) => events.map((event) => ({ logStreamName, ...event })))
      .filter(isIngested)
      .filter(within(input))
      .filter(({ message }) => matches(message))
      .sort((a, b) => a.timestamp - b.timestamp);
    const start = Number(input["nextToken"] ?? 0);
    const end = start + Number(input["limit"] ?? 10_000);
    return {
      events: found.slice(start, end),
      searchedLogStreams: [],
      ...(end < found.length ? { nextToken: String(end) } : {}),
    };
  }
}

const logsError = (code: string, message: string) => new AwsError(code, 400, message);

const isIngested = ({ ingestionTime }: LogEvent): boolean => ingestionTime <= Date.now();

const within =
  ({ startTime, endTime }: Input) =>
  ({ timestamp }: LogEvent): boolean =>
    timestamp >= Number(startTime ?? 0) && timestamp < Number(endTime ?? Number.POSITIVE_INFINITY);

/**
 * Terms, of which all must be in a line; with a `?` before them one is enough. JSON patterns aren't supported.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
 */
function matcherOf(pattern: string): (message: string) => boolean {
  const terms = [...pattern.matchAll(/(\??)(?:"((?:[^"\\]|\\.)*)"|(\S+))/g)].map(([, any, quoted, bare]) => ({
    isOption: any === "?",
    text: quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "",
  }));
  const options = terms.filter(({ isOption }) => isOption);
  const needed = terms.filter(({ isOption }) => !isOption);
  return (message) =>
    needed.every(({ text }) => message.includes(text)) &&
    (options.length === 0 || options.some(({ text }) => message.includes(text)));
}
