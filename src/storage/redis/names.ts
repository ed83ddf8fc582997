/**
 * Names in Redis. One server: `<prefix>:k:<key>`, and the index of listed keys `<prefix>:i`. A cluster shards by
 * what stands in braces, and a script works within one shard: so the keys fall into 64 buckets, each with an index of its own:
 * `<prefix>:{<tag>}k:<key>`, `<prefix>:{<tag>}i`. The tags are chosen so that the buckets lie evenly over the slots.
 *
 * An index is a sorted set whose members are keys, in code-unit order: as CESU-8, the bytes of which sort as the
 * code units do (UTF-8 would put U+FFFF before U+10000).
 */
export class RedisNames {
  readonly buckets: readonly Bucket[];
  readonly #single: Bucket | undefined;
  readonly #prefix: string;

  constructor(prefix: string, cluster: boolean) {
    this.#prefix = prefix;
    this.buckets = cluster
      ? TAGS.map(({ tag, slot }) => ({ start: `${prefix}:{${tag}}k:`, index: `${prefix}:{${tag}}i`, slot }))
      : [{ start: `${prefix}:k:`, index: `${prefix}:i`, slot: 0 }];
    this.#single = cluster ? undefined : this.buckets[0];
  }

  bucketOf(key: string): Bucket {
    return this.#single ?? this.buckets[hashOf(key) % BUCKETS]!;
  }

  /** The names of keys that start with `prefix`, as a pattern for SCAN. */
  pattern(prefix: string): string {
    const shard = this.#single ? "" : "{*}";
    return `${escaped(this.#prefix)}:${shard}k:${escaped(prefix)}*`;
  }

  /** The key of a name that fits the pattern. */
  keyOf(name: string): string {
    return name.slice(name.indexOf("k:", this.#prefix.length) + 2);
  }
}

export interface Bucket {
  /** Before each key. */
  readonly start: string;
  /** Name of the index of the bucket's listed keys. */
  readonly index: string;
  /** Its hash slot, in a cluster. */
  readonly slot: number;
}

function escaped(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, "\\$&");
}

const BUCKETS = 64;
const SLOTS = 16_384;

/** FNV-1a over code units: part of the format. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** For each 64th of the slots the smallest number whose name lies in it: part of the format. */
const TAGS: readonly { readonly tag: string; readonly slot: number }[] = (() => {
  const tags: ({ tag: string; slot: number } | undefined)[] = new Array(BUCKETS).fill(undefined);
  for (let number = 0, found = 0; found < BUCKETS; number += 1) {
    const tag = String(number);
    const slot = slotOf(tag);
    const at = Math.floor((slot * BUCKETS) / SLOTS);
    if (tags[at] !== undefined) continue;
    tags[at] = { tag, slot };
    found += 1;
  }
  return tags as { tag: string; slot: number }[];
})();

/** The hash slot of an ASCII tag: CRC-16/XMODEM modulo 16,384. Source: Redis cluster specification, "Key distribution model". */
function slotOf(tag: string): number {
  let crc = 0;
  for (let i = 0; i < tag.length; i += 1) {
    crc ^= tag.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc % SLOTS;
}

const SURROGATE = /[\ud800-\udfff]/;

/** A key, or the start of one, as a member of an index. */
export function memberOf(key: string): Buffer {
  if (!SURROGATE.test(key)) return Buffer.from(key);
  return Buffer.concat(Array.from({ length: key.length }, (_, i) => unitBytes(key.charCodeAt(i))));
}

function unitBytes(unit: number): Buffer {
  if (unit < 0xd800 || unit > 0xdfff) return Buffer.from(String.fromCharCode(unit));
  return Buffer.from([0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)]);
}

/** The key of a member. */
export function keyOfMember(member: Buffer): string {
  const plain = member.toString();
  if (!plain.includes("\ufffd")) return plain;
  let key = "";
  let from = 0;
  for (let at = 0; at < member.length; at += 1) {
    // 0xED 0xA0…0xBF begins a surrogate, which UTF-8 doesn't have.
    if (member[at] !== 0xed || member[at + 1]! < 0xa0) continue;
    const unit = 0xd000 | ((member[at + 1]! & 0x3f) << 6) | (member[at + 2]! & 0x3f);
    key += member.toString("utf8", from, at) + String.fromCharCode(unit);
    from = at + 3;
    at += 2;
  }
  return key + member.toString("utf8", from);
}
