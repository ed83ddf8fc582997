import { UsageError } from "../../errors.ts";

/** A Redis store as plain JSON. Holds no secret: the password comes from each process's own environment. */
export interface RedisLocation {
  readonly kind: "redis";
  /** `redis://[user@]host:port/db`, or for a cluster `redis://host:port,host:port`; `rediss:` for TLS. */
  readonly url: string;
  /** Start of all names in Redis, so that several stores, and other programs, can share a server. */
  readonly prefix: string;
  readonly cluster?: boolean;
}

/** Where to connect to. */
export interface RedisAddress {
  readonly tls: boolean;
  readonly user?: string;
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly db: number;
}

const FORM = /^(rediss?)(\+cluster)?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const DEFAULT_PORT = 6379;
const DEFAULT_PREFIX = "kinglet";

export function isRedisUrl(text: string): boolean {
  return /^rediss?(\+cluster)?:/i.test(text);
}

/**
 * Reads a URL as users write it: `redis://host:6379/0?prefix=mine`, `rediss://user@host`,
 * `redis+cluster://host:7000,host:7001?prefix=mine`. Defaults: port 6379, database 0, prefix "kinglet".
 *
 * @throws UsageError BAD_OPTION, also where the URL holds a password
 */
export function parseRedisLocation(text: string): RedisLocation {
  const [, scheme, cluster, login = "", hosts = "", db = "", query = ""] = FORM.exec(text) ?? [];
  // Nothing of a text that may hold a password is shown.
  if (scheme === undefined) throw badUrl("the storage URL of Redis", "it doesn't have that form");
  if (login.includes(":")) {
    throw badUrl(`${scheme}://…@${hosts}`, "it holds a password, which would be stored with every job", {
      remedy: "Take the password out of it, and put it into the environment variable KINGLET_REDIS_PASSWORD.",
    });
  }
  const shown = `${scheme}${cluster ?? ""}://${hosts}`;
  if (hosts === "") throw badUrl(shown, "it names no host");
  if (!/^\d*$/.test(db)) throw badUrl(shown, `${JSON.stringify(db)} is no number of a database`);
  if (cluster && Number(db) !== 0) throw badUrl(shown, "a cluster has database 0 only");
  if (hosts.includes(",") && !cluster) throw badUrl(shown, "only redis+cluster:// takes several hosts");
  const nodes = hosts.split(",").map((host) => nodeOf(host, shown));
  const address = nodes.map(({ host, port }) => `${host}:${port}`).join(",");
  return {
    kind: "redis",
    url: `${scheme}://${login === "" ? "" : `${login}@`}${address}${cluster ? "" : `/${Number(db)}`}`,
    prefix: prefixOf(query, shown),
    ...(cluster ? { cluster: true } : {}),
  };
}

/** Takes apart the URL of a location. */
export function addressOf(location: RedisLocation): RedisAddress {
  const [, scheme, , login = "", hosts = "", db = ""] = FORM.exec(location.url) ?? [];
  return {
    tls: scheme === "rediss",
    nodes: hosts.split(",").map((host) => nodeOf(host, location.url)),
    db: Number(db),
    ...(login === "" ? {} : { user: decodeURIComponent(login) }),
  };
}

/** For messages: without the user's name. */
export function showRedisLocation({ url, prefix, cluster }: RedisLocation): string {
  const plain = url.replace(/\/\/[^@]*@/, "//");
  return `${cluster ? plain.replace(":", "+cluster:") : plain}?prefix=${encodeURIComponent(prefix)}`;
}

function nodeOf(text: string, shown: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  const number = port === undefined ? DEFAULT_PORT : Number(port);
  if ((bracketed ?? plain) === undefined || number < 1 || number > 65_535) {
    throw badUrl(shown, `${JSON.stringify(text)} is no host and port`);
  }
  return { host: bracketed === undefined ? plain! : `[${bracketed}]`, port: number };
}

function prefixOf(query: string, shown: string): string {
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (name !== "prefix")
      throw badUrl(shown, `there is no parameter ${JSON.stringify(name)}, only "prefix"`);
  }
  const prefix = parameters.get("prefix") ?? DEFAULT_PREFIX;
  // Braces choose a cluster's shard; a colon ends the prefix.
  if (/^[^{}\s:]{1,100}$/.test(prefix)) return prefix;
  throw badUrl(
    shown,
    `${JSON.stringify(prefix)} can't be a prefix: 1 to 100 characters without { } : or spaces`,
  );
}

function badUrl(shown: string, fault: string, { remedy }: { remedy?: string } = {}): UsageError {
  return new UsageError("BAD_OPTION", `the option "storage" is ${shown}: ${fault}`, {
    remedy:
      remedy ??
      "Write redis://host:6379/0?prefix=mine, rediss://… for TLS, or redis+cluster://host:7000,host:7001?prefix=mine.",
    details: { option: "storage" },
  });
}
