import { hash } from "node:crypto";
import type { LambdaArchitecture, WorkerFunctionSpec } from "./contract.ts";

/** All that Kinglet makes in an account begins so: policies and `kinglet destroy aws` rest on it. */
export const NAME_PREFIX = "kinglet-";
/** Folder of the roles that Kinglet makes. */
export const ROLE_PATH = "/kinglet/";
export const TAGS = {
  /** Kinglet's version that made the function. */
  version: "kinglet:version",
  /** SHA-256 of the zip, in hex. */
  content: "kinglet:content",
  /** Where its jobs live. */
  storage: "kinglet:storage",
} as const;

export const logGroupOf = (functionName: string): string => `/aws/lambda/${functionName}`;

/** What names a family of worker functions: two that differ in any of it are different functions. */
export interface WorkerContent {
  readonly zipSha256: string;
  readonly runtime: string;
  readonly timeoutS: number;
  readonly ephemeralStorageMb: number;
  /** A role's ARN, or what stands for the one that is made: its policy. */
  readonly role: string;
}

/** 8 hex digits. */
export function contentHash(content: WorkerContent): string {
  const { zipSha256, runtime, timeoutS, ephemeralStorageMb, role } = content;
  return hash("sha256", JSON.stringify([zipSha256, runtime, timeoutS, ephemeralStorageMb, role])).slice(0, 8);
}

/** `kinglet-<hash8>-<arch>-<memoryMb>-<copy>`: never changed, so that drivers of two versions never disturb each other. */
export function functionNameOf(
  hash8: string,
  architecture: LambdaArchitecture,
  { memoryMb, copy }: WorkerFunctionSpec,
): string {
  return `${NAME_PREFIX}${hash8}-${architecture}-${memoryMb}-${copy}`;
}

export interface ParsedName extends WorkerFunctionSpec {
  readonly hash8: string;
  readonly architecture: LambdaArchitecture;
}

/** Undefined for a function that isn't one of Kinglet's workers. */
export function parseFunctionName(name: string): ParsedName | undefined {
  const found = /^kinglet-([0-9a-f]{8})-(arm64|x64)-(\d{2,6})-(\d{1,4})$/.exec(name);
  if (!found) return undefined;
  const [, hash8, architecture, memoryMb, copy] = found;
  return {
    hash8: hash8!,
    architecture: architecture as LambdaArchitecture,
    memoryMb: Number(memoryMb),
    copy: Number(copy),
  };
}

/** Of the roles of a region's functions; roles themselves know no region. */
const roleNamesIn = (region: string): string => `${NAME_PREFIX}worker-${region}-`;

/** The role whose policy this is: another policy is another role, so that nobody's permissions change under a running job. */
export const roleNameOf = (policy: object, region: string): string =>
  roleNamesIn(region) + hash("sha256", JSON.stringify(policy)).slice(0, 8);

export const isRoleIn = (name: string, region: string): boolean =>
  name.startsWith(roleNamesIn(region)) && /^[0-9a-f]{8}$/.test(name.slice(roleNamesIn(region).length));
