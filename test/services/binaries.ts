import { accessSync, constants } from "node:fs";
import path from "node:path";

/** The real servers that tests run against. */
export type ServiceName = "s3" | "redis" | "redisCluster";

interface Needs {
  /** For people: "radosgw (S3)". */
  readonly title: string;
  readonly binaries: readonly string[];
  /** Debian's packages of them. */
  readonly packages: readonly string[];
}

const REDIS = { binaries: ["redis-server", "redis-cli"], packages: ["redis-server"] };

export const NEEDS: Readonly<Record<ServiceName, Needs>> = {
  s3: {
    title: "radosgw (S3)",
    binaries: ["radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "monmaptool"],
    packages: ["radosgw", "ceph-mon", "ceph-osd", "ceph-common"],
  },
  redis: { title: "Redis", ...REDIS },
  redisCluster: { title: "Redis Cluster", ...REDIS },
};

export const HOW_TO_INSTALL = "node scripts/services.mjs install";

/** The path of a program, or undefined. Daemons are often outside of a user's PATH. */
export function findBinary(name: string): string | undefined {
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

export const missingBinaries = (service: ServiceName): string[] =>
  NEEDS[service].binaries.filter((name) => !findBinary(name));
