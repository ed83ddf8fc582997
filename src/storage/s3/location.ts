import { UsageError } from "../../errors.ts";
import { MAX_KEY_BYTES } from "../keys.ts";

/** A folder of a bucket: plain JSON, without credentials. */
export interface S3Location {
  readonly kind: "s3";
  readonly bucket: string;
  /** "" for the whole bucket; no "/" at either end. */
  readonly prefix: string;
  /** `https://host[:port]` of an S3-compatible server; AWS where it is absent. */
  readonly endpoint?: string;
  readonly region?: string;
  /** The bucket in the path rather than in the host's name. Default: true with an endpoint, false on AWS. */
  readonly pathStyle?: boolean;
}

/** Where requests for a bucket go. */
export interface S3Address {
  /** `https://host[:port]`. */
  readonly origin: string;
  /** Value of the Host header. */
  readonly host: string;
  /** What stands before the object's key in the path: "/bucket" or "". */
  readonly basePath: string;
  readonly region: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** S3's limit for a key, prefix included. */
const MAX_OBJECT_KEY_BYTES = 1024;
const MAX_PREFIX_BYTES = MAX_OBJECT_KEY_BYTES - MAX_KEY_BYTES - 1;

/**
 * The location that a URL names: `s3://bucket/prefix?endpoint=http://host:9000&region=eu-west-1&pathStyle=true`.
 * What the URL leaves open is taken from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION and AWS_DEFAULT_REGION,
 * here, so that workers on other machines use the same server.
 *
 * @throws UsageError BAD_OPTION
 */
export function parseS3Location(text: string, env: Environment = process.env): S3Location {
  const url = urlOf(text);
  const bucket = decodeURIComponent(url.hostname);
  if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i.test(bucket)) {
    throw badLocation(text, `${JSON.stringify(bucket)} can't be a bucket's name`);
  }
  if (url.username || url.password) throw badLocation(text, "it holds credentials");
  for (const name of url.searchParams.keys()) {
    if (!["endpoint", "region", "pathStyle"].includes(name)) {
      throw badLocation(text, `it has no parameter ${JSON.stringify(name)}`);
    }
  }
  const endpoint = url.searchParams.get("endpoint") || env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  const region = url.searchParams.get("region") || env.AWS_REGION || env.AWS_DEFAULT_REGION;
  const pathStyle = url.searchParams.get("pathStyle");
  if (pathStyle !== null && pathStyle !== "true" && pathStyle !== "false") {
    throw badLocation(text, `pathStyle is ${JSON.stringify(pathStyle)}, neither true nor false`);
  }
  const location: S3Location = {
    kind: "s3",
    bucket,
    prefix: prefixOf(text, url),
    ...(endpoint ? { endpoint: endpointOf(text, endpoint) } : {}),
    ...(region ? { region } : {}),
    ...(pathStyle === null ? {} : { pathStyle: pathStyle === "true" }),
  };
  // Without a region it means no server.
  addressOf(location, env);
  return location;
}

/** @throws UsageError BAD_OPTION where no region is known */
export function addressOf(location: S3Location, env: Environment = process.env): S3Address {
  const { bucket, endpoint } = location;
  const region =
    location.region || env.AWS_REGION || env.AWS_DEFAULT_REGION || (endpoint ? "us-east-1" : undefined);
  if (!region) {
    throw new UsageError("BAD_OPTION", `the region of the bucket ${JSON.stringify(bucket)} isn't known`, {
      remedy: `Set AWS_REGION, or write it into the storage: s3://${bucket}/…?region=eu-west-1`,
      details: { option: "storage" },
    });
  }
  // A certificate for *.s3.amazonaws.com doesn't hold for a name with more dots.
  const pathStyle = location.pathStyle ?? (endpoint !== undefined || bucket.includes("."));
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const url = new URL(endpoint ?? `https://s3.${region}.${domain}`);
  const host = pathStyle ? url.host : `${bucket}.${url.host}`;
  const folder = url.pathname.replace(/\/+$/, "");
  return {
    origin: `${url.protocol}//${host}`,
    host,
    basePath: pathStyle ? `${folder}/${bucket}` : folder,
    region,
  };
}

/** `s3://bucket/prefix`, and the server where it isn't AWS: for messages. */
export function showS3Location({ bucket, prefix, endpoint }: S3Location): string {
  const name = prefix === "" ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
  return endpoint === undefined ? name : `${name} at ${endpoint}`;
}

function urlOf(text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw badLocation(text, "it is no URL", cause);
  }
}

function prefixOf(text: string, url: URL): string {
  const prefix = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, "");
  if (prefix !== "" && prefix.split("/").some((segment) => segment === "" || /^\.\.?$/.test(segment))) {
    throw badLocation(text, 'its path has an empty segment, "." or ".."');
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  if (/[\u0000-\u001f\u007f\\]/.test(prefix)) {
    throw badLocation(text, "its path holds a control character or a backslash");
  }
  if (Buffer.byteLength(prefix) > MAX_PREFIX_BYTES) {
    throw badLocation(text, `its path is longer than ${MAX_PREFIX_BYTES} bytes`);
  }
  return prefix;
}

function endpointOf(text: string, endpoint: string): string {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch (cause) {
    throw badLocation(text, `its endpoint ${JSON.stringify(endpoint)} is no URL`, cause);
  }
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw badLocation(text, `its endpoint ${JSON.stringify(endpoint)} isn't like http://host:9000`);
  }
  return url.href.replace(/\/+$/, "");
}

function badLocation(text: string, fault: string, cause?: unknown): UsageError {
  // A password in the URL is not to be seen in logs.
  const shown = text.replace(/\/\/[^/@]*@/, "//…@");
  return new UsageError("BAD_OPTION", `the storage ${JSON.stringify(shown)} can't be used: ${fault}`, {
    remedy:
      "Write s3://bucket/prefix, for other servers than AWS with ?endpoint=http://host:9000; " +
      "credentials come from the environment (AWS_ACCESS_KEY_ID, …) or AWS's configuration files.",
    details: { option: "storage" },
    ...(cause === undefined ? {} : { cause }),
  });
}
