import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { isRuntimeBuilt } from "./lambda/runtime-client.ts";

/** The real servers that tests run against. */
export type ServiceName = "s3" | "redis" | "redisCluster" | "lambda";

interface Needs {
  /** For people: "radosgw (S3)". */
  readonly title: string;
  readonly binaries: readonly string[];
  /** Debian's packages of them. */
  readonly packages: readonly string[];
}

const S3 = {
  binaries: ["radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "monmaptool"],
  packages: ["radosgw", "ceph-mon", "ceph-osd", "ceph-common"],
};
const REDIS = { binaries: ["redis-server", "redis-cli"], packages: ["redis-server"] };

export const NEEDS: Readonly<Record<ServiceName, Needs>> = {
  s3: { title: "radosgw (S3)", ...S3 },
  redis: { title: "Redis", ...REDIS },
  redisCluster: { title: "Redis Cluster", ...REDIS },
  lambda: {
    title: "the parts of AWS Lambda",
    binaries: ["unshare", "nsenter", "setpriv", "mount", "umount", "pivot_root", "ip", ...S3.binaries],
    packages: ["util-linux", "mount", "iproute2", ...S3.packages],
  },
};

export const HOW_TO_INSTALL = "node scripts/services.mjs install";

/** The path of a program, or undefined. Daemons are often outside of a user's PATH. */
export function findBinary(name: string): string | undefined {
  if (path.isAbsolute(name)) return isExecutable(name) ? name : undefined;
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/bin", "/usr/sbin"];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return path.isAbsolute(file);
  } catch {
    return false;
  }
}

/** As `findBinary`. @throws Error if there is none */
export function requireBinary(name: string): string {
  const file = findBinary(name);
  if (file) return file;
  throw new Error(`${name} isn't installed`);
}

/** All that a service lacks here, for people. */
export function missingParts(service: ServiceName): string[] {
  const missing = missingBinaries(service);
  if (service !== "lambda") return missing;
  if (!isRuntimeBuilt()) missing.push("aws-lambda-ric");
  if (missing.length === 0 && !canMakeNamespaces())
    missing.push("the right to make mount and network namespaces (be root, or allow user namespaces)");
  return missing;
}

/** A user who isn't root is root in a user namespace. */
export const NAMESPACE_ARGS: readonly string[] = [
  ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]),
  ...["--mount", "--net"],
];

let namespaces: boolean | undefined;
function canMakeNamespaces(): boolean {
  namespaces ??= spawnSync(requireBinary("unshare"), [...NAMESPACE_ARGS, "true"]).status === 0;
  return namespaces;
}

export const missingBinaries = (service: ServiceName): string[] =>
  NEEDS[service].binaries.filter((name) => !findBinary(name));
