import type { ListOptions, ObjectInfo } from "../contract.ts";
import type { S3Client } from "./client.ts";
import { childrenOf, parseXml, textOf } from "./xml.ts";

/**
 * Objects of a prefix, in code-unit order of their keys, a page of a thousand a request.
 * @param before what stands before each key in the bucket: "" or "prefix/"
 */
export function listObjects(
  client: S3Client,
  before: string,
  prefix: string,
  options: ListOptions,
): AsyncIterable<ObjectInfo> {
  return after(inCodeUnitOrder(pages(client, before, prefix, options.after)), options.after ?? "");
}

async function* pages(
  client: S3Client,
  before: string,
  prefix: string,
  afterKey: string | undefined,
): AsyncIterable<ObjectInfo> {
  const start = afterKey ? { "start-after": before + plainStart(afterKey) } : {};
  let token: string | undefined;
  do {
    const page = await client.send({
      method: "GET",
      query: {
        "list-type": "2",
        // XML has no way to write some characters.
        "encoding-type": "url",
        prefix: before + prefix,
        ...(token === undefined ? start : { "continuation-token": token }),
      },
      action: `list ${JSON.stringify(prefix)}`,
    });
    const xml = await parseXml(page.body);
    if (xml === undefined)
      throw await client.failure({ method: "GET", action: `list ${JSON.stringify(prefix)}` }, page);
    for (const entry of childrenOf(xml, "Contents")) {
      const key = decode(textOf(entry, "Key") ?? "").slice(before.length);
      // What others put there, and no key of a store can name: consoles mark folders by "folder/".
      if (key === "" || key.endsWith("/")) continue;
      const version = textOf(entry, "ETag");
      yield {
        key,
        sizeBytes: Number(textOf(entry, "Size")),
        modifiedMs: Date.parse(textOf(entry, "LastModified") ?? ""),
        ...(version ? { version } : {}),
      };
    }
    token = textOf(xml, "IsTruncated") === "true" ? textOf(xml, "NextContinuationToken") : undefined;
  } while (token !== undefined);
}

const decode = (text: string): string => decodeURIComponent(text.replaceAll("+", " "));

/** Half of a surrogate pair, or what UTF-8 sorts before those and code units after. */
const ODD = /[\ud800-\uffff]/;

/**
 * S3 sorts by UTF-8, which differs from code units where one key has a character from U+E000 to U+FFFF and the other
 * one beyond. Such keys stand together, after all others of the same beginning: they are sorted as one group.
 */
async function* inCodeUnitOrder(items: AsyncIterable<ObjectInfo>): AsyncIterable<ObjectInfo> {
  let group: ObjectInfo[] = [];
  let start = "";
  const sorted = (): ObjectInfo[] => group.sort((a, b) => (a.key < b.key ? -1 : 1));
  for await (const item of items) {
    const { key } = item;
    if (group.length > 0 && key.startsWith(start) && ODD.test(key.charAt(start.length))) {
      group.push(item);
      continue;
    }
    yield* sorted();
    group = [];
    const at = key.search(ODD);
    if (at < 0) {
      yield item;
      continue;
    }
    start = key.slice(0, at);
    group.push(item);
  }
  yield* sorted();
}

/** A key that both orders have before `key` and all that follow it. */
function plainStart(key: string): string {
  const at = key.search(ODD);
  return at < 0 ? key : key.slice(0, at);
}

async function* after(items: AsyncIterable<ObjectInfo>, key: string): AsyncIterable<ObjectInfo> {
  for await (const item of items) if (item.key > key) yield item;
}
