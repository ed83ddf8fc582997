import { createHash } from "node:crypto";

/**
 * What Redis must do in one atomic step. Each script gets the key's name and the name of the index for its part of the
 * keys (KEYS[1], KEYS[2]; same hash slot). A value is stored as `stamp (12 bytes) | bytes`: see kv/versions.ts.
 */

/** Sets the value `ARGV[at]`, for ARGV[at+1] milliseconds ("" for ever), listed as ARGV[at+2] ("" for not). */
const setAt = (at: number): string => `
if ARGV[${at + 1}] == '' then redis.call('SET', KEYS[1], ARGV[${at}])
else redis.call('SET', KEYS[1], ARGV[${at}], 'PX', ARGV[${at + 1}]) end
if ARGV[${at + 2}] ~= '' then redis.call('ZADD', KEYS[2], 0, ARGV[${at + 2}]) end`;

export const SCRIPTS = {
  /** ARGV: last byte wanted of the old value, new value, ttlMs, member. Gives the start of the old value, "" for none. */
  kingletExchange: `
local old = redis.call('GETRANGE', KEYS[1], 0, ARGV[1])${setAt(2)}
return old`,

  /** ARGV: expected stamp ("" for none), new value, ttlMs, member. Gives 1, or the stamp that is there. */
  kingletCompareAndSet: `
local stamp = redis.call('GETRANGE', KEYS[1], 0, 11)
if stamp ~= ARGV[1] then return stamp end${setAt(2)}
return 1`,

  /** ARGV: stamp, offset (stamp included), bytes. Gives the size, stamp included. */
  kingletSetRange: `
redis.call('SETRANGE', KEYS[1], 0, ARGV[1])
return redis.call('SETRANGE', KEYS[1], ARGV[2], ARGV[3])`,

  /** ARGV: stamp, offset (stamp included), deltas, format of a number for struct, its width. */
  kingletAddToRange: `
local deltas, format, width = ARGV[3], ARGV[4], tonumber(ARGV[5])
local old = redis.call('GETRANGE', KEYS[1], ARGV[2], ARGV[2] + #deltas - 1)
old = old .. string.rep('\\0', #deltas - #old)
local sums, pack, unpack = {}, struct.pack, struct.unpack
for at = 1, #deltas, width do
  sums[#sums + 1] = pack(format, unpack(format, old, at) + unpack(format, deltas, at))
end
redis.call('SETRANGE', KEYS[1], 0, ARGV[1])
redis.call('SETRANGE', KEYS[1], ARGV[2], table.concat(sums))
return 1`,

  /** ARGV: stamp, bytes, size that the value must have ("" for any). Gives whether, and the size without the stamp. */
  kingletAppend: `
local size = math.max(redis.call('STRLEN', KEYS[1]) - 12, 0)
if ARGV[3] ~= '' and size ~= tonumber(ARGV[3]) then
  local at = tonumber(ARGV[3])
  local repeated = size == at + #ARGV[2] and redis.call('GETRANGE', KEYS[1], at + 12, -1) == ARGV[2]
  return {repeated and 1 or 0, size}
end
redis.call('SETRANGE', KEYS[1], 0, ARGV[1])
if ARGV[2] ~= '' then redis.call('APPEND', KEYS[1], ARGV[2]) end
return {1, size + #ARGV[2]}`,

  /** ARGV: stamp, step. Gives the sum in digits, or what is wrong. */
  kingletIncrement: `
local digits = redis.call('GETRANGE', KEYS[1], 12, -1)
if digits == '' then digits = '0' end
if not string.match(digits, '^%-?%d+$') then return 'NOT_WHOLE' end
local sum = tonumber(digits) + tonumber(ARGV[2])
if sum > 9007199254740991 or sum < -9007199254740991 then return 'TOO_GREAT' end
digits = string.format('%.0f', sum)
redis.call('SET', KEYS[1], ARGV[1] .. digits, 'KEEPTTL')
return digits`,

  /** ARGV: last byte wanted, member. Gives the start of the value, "" for none. */
  kingletTake: `
local old = redis.call('GETRANGE', KEYS[1], 0, ARGV[1])
redis.call('UNLINK', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
return old`,

  /** ARGV: member. Gives how many keys there were. */
  kingletDelete: `
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('UNLINK', KEYS[1])`,

  /** ARGV: member. Takes a key that has expired out of the index. */
  kingletForget: `
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
return 1`,

  /** ARGV: ttlMs ("" for ever). Gives whether the key was there. */
  kingletExpire: `
if ARGV[1] ~= '' then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
redis.call('PERSIST', KEYS[1])
return redis.call('EXISTS', KEYS[1])`,
} as const;

/** What Redis answers to the commands and scripts that Kinglet uses. */
export interface RedisReplies {
  readonly get: Buffer | null;
  readonly mget: readonly (Buffer | null)[];
  readonly getrange: Buffer;
  readonly strlen: number;
  readonly set: Buffer;
  readonly mset: Buffer;
  readonly zrangebylex: readonly Buffer[];
  readonly kingletExchange: Buffer;
  readonly kingletCompareAndSet: Buffer | number;
  readonly kingletSetRange: number;
  readonly kingletAddToRange: number;
  readonly kingletAppend: readonly [appended: number, sizeBytes: number];
  readonly kingletIncrement: Buffer;
  readonly kingletTake: Buffer;
  readonly kingletDelete: number;
  readonly kingletForget: number;
  readonly kingletExpire: number;
}

/** Where Redis finds a script that it was sent before; undefined for a command of its own. */
export const SCRIPT_HASHES: Readonly<Record<string, string | undefined>> = Object.fromEntries(
  Object.entries(SCRIPTS).map(([name, lua]) => [name, createHash("sha1").update(lua).digest("hex")]),
);
