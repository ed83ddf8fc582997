import type { RedisClient } from "./client.ts";
import { type Bucket, keyOfMember, memberOf, type RedisNames } from "./names.ts";

/** Members read from an index at a time, and keys given at a time. */
const PAGE = 512;

/** Where a listing stands in one bucket's index. */
interface Cursor {
  readonly bucket: Bucket;
  /** Keys read and not given yet, in order. */
  keys: string[];
  /** First of them that wasn't given. */
  at: number;
  /** Lower end of what to read next, as ZRANGEBYLEX takes it. */
  from: Buffer;
  done: boolean;
}

/** The listed keys after `after` that start with `prefix`, in code-unit order, by pages: the indexes merged. */
export async function* listedKeys(
  client: RedisClient,
  names: RedisNames,
  prefix: string,
  after: string | undefined,
): AsyncIterable<string[]> {
  const inclusive = prefix !== "" && (after === undefined || prefix > after);
  const start = inclusive ? edge("[", prefix) : after ? edge("(", after) : Buffer.from("-");
  // No byte of a member is 0xFF.
  const end = prefix === "" ? "+" : Buffer.concat([edge("(", prefix), Buffer.from([0xff])]);
  const pageOf = Math.max(16, Math.ceil(PAGE / names.buckets.length));
  let cursors = names.buckets.map(
    (bucket): Cursor => ({ bucket, keys: [], at: 0, from: start, done: false }),
  );
  const read = async (cursor: Cursor): Promise<void> => {
    const { index } = cursor.bucket;
    const members = await client.ask(
      "zrangebylex",
      [index, cursor.from, end, "LIMIT", 0, pageOf],
      "list",
      prefix,
    );
    cursor.keys = members.map(keyOfMember);
    cursor.at = 0;
    cursor.done = members.length < pageOf;
    if (members.length > 0) cursor.from = Buffer.concat([Buffer.from("("), members.at(-1)!]);
  };
  let page: string[] = [];
  while (cursors.length > 0) {
    const empty = cursors.filter(({ keys, at }) => at === keys.length);
    await Promise.all(empty.filter(({ done }) => !done).map(read));
    cursors = cursors.filter(({ keys, at, done }) => at < keys.length || !done);
    // As long as each cursor has keys, the least of them is the next of all.
    while (cursors.length > 0 && cursors.every(({ keys, at }) => at < keys.length)) {
      const least = cursors.reduce((a, b) => (a.keys[a.at]! < b.keys[b.at]! ? a : b));
      page.push(least.keys[least.at]!);
      least.at += 1;
      if (least.at === least.keys.length && least.done) cursors = cursors.filter((one) => one !== least);
    }
    if (page.length >= PAGE || cursors.length === 0) {
      if (page.length > 0) yield page;
      page = [];
    }
  }
}

function edge(kind: "[" | "(", key: string): Buffer {
  return Buffer.concat([Buffer.from(kind), memberOf(key)]);
}
