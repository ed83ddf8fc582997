import type { Account, Caller, Region } from "./account.ts";
import { AwsError, failedValidation, invalidParameter } from "./errors.ts";
import { checkInput, checkNewFunction, type FunctionInput, LambdaFunction, storeCode } from "./functions.ts";
import { FUNCTION_NAME } from "./limits.ts";

/** One request, by somebody known. */
export interface Call {
  readonly account: Account;
  readonly region: Region;
  readonly caller: Caller;
  /** The parts of the path that the route captures. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

export interface Answer {
  readonly status: number;
  readonly body?: object;
}

interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: RegExp;
  readonly answer: (call: Call) => Answer | Promise<Answer>;
}

const FUNCTIONS = "/2015-03-31/functions";
const FUNCTION = `${FUNCTIONS}/([^/]+)`;
const TAGS = "/2017-03-31/tags/([^/]+)";

const operation = (name: string, method: string, path: string, answer: Operation["answer"]): Operation => ({
  name,
  method,
  path: new RegExp(`^${path}/?$`),
  answer,
});

/** Paths and statuses are the model's: limits.ts. */
const OPERATIONS: readonly Operation[] = [
  operation("CreateFunction", "POST", FUNCTIONS, create),
  operation("ListFunctions", "GET", FUNCTIONS, list),
  operation("GetFunction", "GET", FUNCTION, get),
  operation("DeleteFunction", "DELETE", FUNCTION, remove),
  operation("GetFunctionConfiguration", "GET", `${FUNCTION}/configuration`, getConfiguration),
  operation("UpdateFunctionConfiguration", "PUT", `${FUNCTION}/configuration`, updateConfiguration),
  operation("UpdateFunctionCode", "PUT", `${FUNCTION}/code`, updateCode),
  operation("PutFunctionConcurrency", "PUT", "/2017-10-31/functions/([^/]+)/concurrency", putConcurrency),
  operation("GetFunctionConcurrency", "GET", "/2019-09-30/functions/([^/]+)/concurrency", getConcurrency),
  operation(
    "DeleteFunctionConcurrency",
    "DELETE",
    "/2017-10-31/functions/([^/]+)/concurrency",
    deleteConcurrency,
  ),
  operation("ListTags", "GET", TAGS, listTags),
  operation("TagResource", "POST", TAGS, tag),
  operation("UntagResource", "DELETE", TAGS, untag),
  operation("GetAccountSettings", "GET", "/2016-08-19/account-settings", accountSettings),
];

/** The operation that a request asks for, with what its path says. */
export function routeOf(method: string, path: string): { operation: Operation; parts: string[] } | undefined {
  for (const operation of OPERATIONS) {
    const match = operation.method === method && operation.path.exec(path);
    if (match) return { operation, parts: match.slice(1).map(decodeURIComponent) };
  }
  return undefined;
}

/** @throws AwsError ResourceNotFoundException, or AccessDeniedException if the caller may not do this to it */
export function requireFunction(call: Call, action: string): LambdaFunction {
  const named = call.path[0]!;
  const name = FUNCTION_NAME.exec(named)?.[3];
  if (!name)
    throw failedValidation(
      named,
      "functionName",
      `Member must satisfy regular expression pattern: ${FUNCTION_NAME.source}`,
    );
  call.account.authorize(call.caller, `lambda:${action}`, call.account.functionArn(call.region.name, name));
  return call.account.functionOf(call.region, named);
}

/** @throws AwsError InvalidRequestContentException */
export function json(call: Call): Record<string, unknown> {
  try {
    return JSON.parse(call.body.toString() || "{}") as Record<string, unknown>;
  } catch (error) {
    const message = `Could not parse request body into json: ${(error as Error).message}`;
    throw new AwsError("InvalidRequestContentException", 400, message, { Type: "User" });
  }
}

async function create(call: Call): Promise<Answer> {
  const { account, region, caller } = call;
  const input = json(call) as FunctionInput;
  const name = FUNCTION_NAME.exec(input.FunctionName ?? "")?.[3] ?? "";
  const arn = account.functionArn(region.name, name);
  account.authorize(caller, "lambda:CreateFunction", arn);
  checkNewFunction(input);
  checkInput(input, account.limits);
  account.authorize(caller, "iam:PassRole", input.Role!);
  if (region.functions.has(name)) throw alreadyThere(name);
  const { credentials } = account.roleForLambda(input.Role!);
  const code = await storeCode(zipOf(input.Code?.ZipFile), account.uploadFolder(), account.limits);
  // Another request may have been quicker.
  if (region.functions.has(name)) throw alreadyThere(name);
  const fn = new LambdaFunction(name, arn, region.name, account.limits);
  fn.create(input, code);
  fn.credentials = credentials;
  region.functions.set(name, fn);
  region.scaling.add(fn);
  return { status: 201, body: fn.describe() };
}

const alreadyThere = (name: string): AwsError =>
  new AwsError("ResourceConflictException", 409, `Function already exist: ${name}`, { Type: "User" });

function zipOf(base64: unknown): Buffer {
  if (typeof base64 !== "string")
    throw invalidParameter("this double takes code as ZipFile alone, not from S3");
  return Buffer.from(base64, "base64");
}

function list({ account, region, caller, query }: Call): Answer {
  account.authorize(caller, "lambda:ListFunctions", "*");
  const all = [...region.functions.values()].sort((a, b) => a.name.localeCompare(b.name));
  const start = Number(query.get("Marker") ?? 0);
  const end = start + Number(query.get("MaxItems") ?? 50);
  const Functions = all.slice(start, end).map((fn) => fn.describe());
  return { status: 200, body: { Functions, ...(end < all.length ? { NextMarker: String(end) } : {}) } };
}

function get(call: Call): Answer {
  const fn = requireFunction(call, "GetFunction");
  const Concurrency = { ReservedConcurrentExecutions: fn.reservedConcurrency };
  return {
    status: 200,
    body: {
      Configuration: fn.describe(),
      Code: { RepositoryType: "S3", Location: "https://not-served-by-this-double.invalid/" },
      ...(fn.tags.size > 0 ? { Tags: Object.fromEntries(fn.tags) } : {}),
      ...(fn.reservedConcurrency === undefined ? {} : { Concurrency }),
    },
  };
}

function getConfiguration(call: Call): Answer {
  return { status: 200, body: requireFunction(call, "GetFunctionConfiguration").describe() };
}

async function remove(call: Call): Promise<Answer> {
  const fn = requireFunction(call, "DeleteFunction");
  fn.isDeleted = true;
  call.region.functions.delete(fn.name);
  // What runs may end; what is idle is gone.
  void call.region.fleet.reapIdle(fn);
  return { status: 204 };
}

function updateConfiguration(call: Call): Answer {
  const { account, caller } = call;
  const fn = requireFunction(call, "UpdateFunctionConfiguration");
  const { RevisionId, ...input } = json(call) as FunctionInput;
  checkInput(input, account.limits);
  fn.requireSettled(RevisionId);
  if (input.Role) {
    account.authorize(caller, "iam:PassRole", input.Role);
    fn.credentials = account.roleForLambda(input.Role).credentials;
  }
  fn.configure(input);
  void call.region.fleet.reapIdle(fn);
  return { status: 200, body: fn.describe() };
}

async function updateCode(call: Call): Promise<Answer> {
  const fn = requireFunction(call, "UpdateFunctionCode");
  const { ZipFile, Architectures, RevisionId, DryRun } = json(call) as UpdateCodeInput;
  fn.requireSettled(RevisionId);
  const code = await storeCode(zipOf(ZipFile), call.account.uploadFolder(), call.account.limits);
  if (!DryRun) {
    fn.replaceCode(code, Architectures);
    void call.region.fleet.reapIdle(fn);
  }
  return { status: 200, body: fn.describe() };
}

interface UpdateCodeInput {
  readonly ZipFile?: string;
  readonly Architectures?: readonly string[];
  readonly RevisionId?: string;
  readonly DryRun?: boolean;
}

function putConcurrency(call: Call): Answer {
  const fn = requireFunction(call, "PutFunctionConcurrency");
  const { ReservedConcurrentExecutions: reserved } = json(call) as { ReservedConcurrentExecutions?: number };
  if (reserved === undefined || reserved < 0)
    throw failedValidation(
      reserved,
      "reservedConcurrentExecutions",
      "Member must have value greater than or equal to 0",
    );
  const { unreservedConcurrency } = call.account.limits;
  if (reserved > call.region.scaling.reservable(fn))
    throw invalidParameter(
      `Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [${unreservedConcurrency}].`,
    );
  fn.reservedConcurrency = reserved;
  return { status: 200, body: { ReservedConcurrentExecutions: reserved } };
}

function getConcurrency(call: Call): Answer {
  const { reservedConcurrency } = requireFunction(call, "GetFunctionConcurrency");
  return { status: 200, body: { ReservedConcurrentExecutions: reservedConcurrency } };
}

function deleteConcurrency(call: Call): Answer {
  requireFunction(call, "DeleteFunctionConcurrency").reservedConcurrency = undefined;
  return { status: 204 };
}

function listTags(call: Call): Answer {
  return { status: 200, body: { Tags: Object.fromEntries(requireFunction(call, "ListTags").tags) } };
}

function tag(call: Call): Answer {
  const fn = requireFunction(call, "TagResource");
  const { Tags } = json(call) as { Tags?: Record<string, string> };
  for (const [key, value] of Object.entries(Tags ?? {})) fn.tags.set(key, value);
  return { status: 204 };
}

function untag(call: Call): Answer {
  const fn = requireFunction(call, "UntagResource");
  for (const key of call.query.getAll("tagKeys")) fn.tags.delete(key);
  return { status: 204 };
}

function accountSettings({ account, region, caller }: Call): Answer {
  account.authorize(caller, "lambda:GetAccountSettings", "*");
  const { limits } = account;
  return {
    status: 200,
    body: {
      AccountLimit: {
        TotalCodeSize: 80_530_636_800,
        CodeSizeUnzipped: limits.unzippedBytes,
        CodeSizeZipped: limits.zippedBytes,
        ConcurrentExecutions: limits.concurrency,
        UnreservedConcurrentExecutions: region.scaling.unreserved,
      },
      AccountUsage: { TotalCodeSize: 0, FunctionCount: region.functions.size },
    },
  };
}
