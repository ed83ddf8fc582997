import { createHash, randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { configure, Uint8ArrayReader, Uint8ArrayWriter, ZipReader } from "@zip.js/zip.js";
import type { Credentials, FunctionVersion } from "./environment.ts";
import { AwsError, failedValidation, invalidParameter } from "./errors.ts";
import {
  ARCHITECTURES,
  FUNCTION_NAME,
  HANDLER,
  type Limits,
  RESERVED_VARIABLES,
  ROLE_ARN,
  RUNTIMES,
  VARIABLE_NAME,
} from "./limits.ts";

/** What CreateFunction and UpdateFunctionConfiguration may say, of what this double understands. */
export interface FunctionInput {
  readonly FunctionName?: string;
  readonly Runtime?: string;
  readonly Role?: string;
  readonly Handler?: string;
  readonly Description?: string;
  readonly Timeout?: number;
  readonly MemorySize?: number;
  readonly EphemeralStorage?: { readonly Size?: number };
  readonly Environment?: { readonly Variables?: Record<string, string> };
  readonly Architectures?: readonly string[];
  readonly Code?: { readonly ZipFile?: string };
  readonly Tags?: Record<string, string>;
  readonly PackageType?: string;
  readonly Publish?: boolean;
  readonly LoggingConfig?: object;
  readonly TracingConfig?: object;
  readonly RevisionId?: string;
}

interface Settled {
  readonly state: "Pending" | "Active";
  readonly lastUpdate: "InProgress" | "Successful";
}

/** A function as its account keeps it. */
export class LambdaFunction {
  readonly name: string;
  readonly arn: string;
  readonly region: string;
  readonly tags = new Map<string, string>();
  reservedConcurrency: number | undefined;
  isDeleted = false;
  /** Of its role. */
  credentials: Credentials = { accessKeyId: "", secretAccessKey: "" };
  #config: FunctionInput = {};
  #code!: StoredCode;
  #createdAtMs = Date.now();
  #updatedAtMs = 0;
  #revisionId = randomUUID() as string;
  #lastModified = new Date();
  readonly #limits: Limits;

  constructor(name: string, arn: string, region: string, limits: Limits) {
    this.name = name;
    this.arn = arn;
    this.region = region;
    this.#limits = limits;
  }

  create(input: FunctionInput, code: StoredCode): void {
    for (const [key, value] of Object.entries(input.Tags ?? {})) this.tags.set(key, value);
    this.#config = input;
    this.#code = code;
  }

  configure(input: FunctionInput): void {
    this.#config = { ...this.#config, ...input };
    this.#hasChanged();
  }

  replaceCode(code: StoredCode, architectures?: readonly string[]): void {
    this.#code = code;
    if (architectures) this.#config = { ...this.#config, Architectures: architectures };
    this.#hasChanged();
  }

  get settled(): Settled {
    const isNew = Date.now() - this.#createdAtMs < this.#limits.settleMs;
    const isUpdating = Date.now() - this.#updatedAtMs < this.#limits.settleMs;
    return { state: isNew ? "Pending" : "Active", lastUpdate: isUpdating ? "InProgress" : "Successful" };
  }

  /** @throws AwsError while it is being created or updated */
  requireSettled(revisionId?: string): void {
    const { state, lastUpdate } = this.settled;
    const doing = state === "Pending" ? "Pending" : lastUpdate === "InProgress" ? "InProgress" : undefined;
    if (doing) {
      const message =
        doing === "Pending"
          ? `The operation cannot be performed at this time. The function is currently in the following state: Pending`
          : `The operation cannot be performed at this time. An update is in progress for resource: ${this.arn}`;
      throw new AwsError("ResourceConflictException", 409, message, { Type: "User" });
    }
    if (revisionId && revisionId !== this.#revisionId)
      throw new AwsError(
        "PreconditionFailedException",
        412,
        "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to retrieve the latest RevisionId",
        { Type: "User" },
      );
  }

  /** What a new environment of it runs. */
  version(): FunctionVersion {
    const { timeoutSeconds, memoryMb, ephemeralStorageMb } = this.#limits;
    return {
      functionName: this.name,
      functionArn: this.arn,
      region: this.region,
      runtime: this.#config.Runtime!,
      handler: this.#config.Handler!,
      timeoutSeconds: this.#config.Timeout ?? timeoutSeconds.initially,
      memoryMb: this.#config.MemorySize ?? memoryMb.initially,
      tmpMb: this.#config.EphemeralStorage?.Size ?? ephemeralStorageMb.initially,
      variables: this.#config.Environment?.Variables ?? {},
      credentials: this.credentials,
      codeFolder: this.#code.folder,
    };
  }

  /** As GetFunctionConfiguration tells it. */
  describe(): object {
    const { Tags, Code, Publish, Environment, ...config } = this.#config;
    const { state, lastUpdate } = this.settled;
    const { timeoutSeconds, memoryMb, ephemeralStorageMb } = this.#limits;
    return {
      Description: "",
      Timeout: timeoutSeconds.initially,
      MemorySize: memoryMb.initially,
      EphemeralStorage: { Size: ephemeralStorageMb.initially },
      Architectures: ["x86_64"],
      PackageType: "Zip",
      TracingConfig: { Mode: "PassThrough" },
      SnapStart: { ApplyOn: "None", OptimizationStatus: "Off" },
      LoggingConfig: { LogFormat: "Text", LogGroup: `/aws/lambda/${this.name}` },
      ...config,
      ...(Environment?.Variables ? { Environment: { Variables: Environment.Variables } } : {}),
      FunctionName: this.name,
      FunctionArn: this.arn,
      CodeSha256: this.#code.sha256,
      CodeSize: this.#code.sizeBytes,
      LastModified: this.#lastModified.toISOString().replace("Z", "+0000"),
      RevisionId: this.#revisionId,
      Version: "$LATEST",
      State: state,
      ...(state === "Pending"
        ? { StateReason: "The function is being created.", StateReasonCode: "Creating" }
        : {}),
      LastUpdateStatus: lastUpdate,
      ...(lastUpdate === "InProgress"
        ? { LastUpdateStatusReason: "The function is being updated.", LastUpdateStatusReasonCode: "Creating" }
        : {}),
    };
  }

  #hasChanged(): void {
    this.#updatedAtMs = Date.now();
    this.#lastModified = new Date();
    this.#revisionId = randomUUID();
  }
}

/** @throws AwsError for what AWS would refuse */
export function checkInput(input: FunctionInput, limits: Limits): void {
  checkRange("timeout", input.Timeout, limits.timeoutSeconds);
  checkRange("memorySize", input.MemorySize, limits.memoryMb);
  checkRange("ephemeralStorage.size", input.EphemeralStorage?.Size, limits.ephemeralStorageMb);
  checkChoice("runtime", input.Runtime, RUNTIMES);
  checkPattern("role", input.Role, ROLE_ARN);
  checkPattern("handler", input.Handler, HANDLER);
  for (const architecture of input.Architectures ?? [])
    checkChoice("architectures", architecture, ARCHITECTURES);
  if (input.PackageType && input.PackageType !== "Zip")
    throw invalidParameter("this double knows functions of PackageType Zip alone");
  checkVariables(input.Environment?.Variables ?? {}, limits);
}

export function checkNewFunction(input: FunctionInput): void {
  for (const member of ["FunctionName", "Role", "Code"] as const) {
    const name = member[0]!.toLowerCase() + member.slice(1);
    if (input[member] === undefined) throw failedValidation("null", name, "Member must not be null");
  }
  checkPattern("functionName", input.FunctionName, FUNCTION_NAME);
  if (!input.Runtime || !input.Handler)
    throw invalidParameter(
      "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
    );
}

function checkRange(
  member: string,
  value: number | undefined,
  { least, most }: { least: number; most: number },
): void {
  if (value === undefined) return;
  const less = `Member must have value less than or equal to ${most}`;
  if (value > most) throw failedValidation(value, member, less);
  if (value < least)
    throw failedValidation(value, member, `Member must have value greater than or equal to ${least}`);
}

function checkChoice(member: string, value: string | undefined, choices: readonly string[]): void {
  if (value !== undefined && !choices.includes(value))
    throw failedValidation(value, member, `Member must satisfy enum value set: [${choices.join(", ")}]`);
}

function checkPattern(member: string, value: string | undefined, pattern: RegExp): void {
  if (value !== undefined && !pattern.test(value))
    throw failedValidation(
      value,
      member,
      `Member must satisfy regular expression pattern: ${pattern.source}`,
    );
}

function checkVariables(variables: Record<string, string>, limits: Limits): void {
  const reserved = Object.keys(variables).filter((name) => RESERVED_VARIABLES.includes(name));
  if (reserved.length > 0)
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${reserved.join(", ")}`,
    );
  for (const name of Object.keys(variables)) checkPattern("environment.variables", name, VARIABLE_NAME);
  if (Buffer.byteLength(JSON.stringify(variables)) > limits.variablesBytes)
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the ${limits.variablesBytes / 1024}KB limit. String measured: ${JSON.stringify(variables)}`,
    );
}

/** An upload, unpacked. */
export interface StoredCode {
  readonly folder: string;
  /** Of the zip, in base64. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

configure({ useWebWorkers: false });
const FILE_MODE_BITS = 0o777;

/** Unpacks an upload, with the permissions that it gives: as on AWS, what others may not read the function can't. */
export async function storeCode(zipped: Buffer, folder: string, limits: Limits): Promise<StoredCode> {
  if (zipped.length > limits.zippedBytes)
    throw new AwsError(
      "RequestEntityTooLargeException",
      413,
      `Request must be smaller than ${Math.floor((limits.zippedBytes * 4) / 3)} bytes for the CreateFunction operation`,
    );
  const entries = await new ZipReader(new Uint8ArrayReader(zipped)).getEntries().catch(() => {
    throw invalidParameter(
      "Could not unzip uploaded file. Please check your file, then try to upload again.",
    );
  });
  const bytes = entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0);
  if (bytes > limits.unzippedBytes)
    throw invalidParameter(`Unzipped size must be smaller than ${limits.unzippedBytes} bytes`);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const entry of entries) {
    const target = path.join(folder, entry.filename);
    if (!target.startsWith(folder + path.sep))
      throw invalidParameter(`bad path in the archive: ${entry.filename}`);
    if (entry.directory) {
      mkdirSync(target, { recursive: true });
      continue;
    }
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, await entry.getData(new Uint8ArrayWriter()));
    chmodSync(target, (entry.externalFileAttributes >>> 16) & FILE_MODE_BITS || 0o644);
  }
  const sha256 = createHash("sha256").update(zipped).digest("base64");
  return { folder, sha256, sizeBytes: zipped.length };
}
