import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Account, Region } from "./account.ts";
import { type Call, requireFunction } from "./control-plane.ts";
import type { Environment } from "./environment.ts";
import { AwsError, throttled } from "./errors.ts";
import type { InvokeFault } from "./faults.ts";
import type { LambdaFunction } from "./functions.ts";
import { type Invocation, type InvocationEnd, newInvocation } from "./invocation.ts";
import { type Reply, streamedReply, wholeReply } from "./reply.ts";

export interface InvokeHeaders {
  readonly type: string;
  readonly wantsTail: boolean;
  readonly clientContext: string | undefined;
  /** InvokeWithResponseStream. */
  readonly streams: boolean;
}

type Fault = { readonly fault: InvokeFault; readonly ms: number } | undefined;

/** https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html */
export async function invoke(call: Call, headers: InvokeHeaders, response: ServerResponse): Promise<void> {
  const fn = requireFunction(call, "InvokeFunction");
  checkPayload(call, headers.type);
  if (headers.type === "DryRun") {
    response.writeHead(204).end();
    return;
  }
  if (fn.settled.state === "Pending")
    throw new AwsError(
      "ResourceConflictException",
      409,
      `The operation cannot be performed at this time. The function is currently in the following state: Pending`,
      { Type: "User" },
    );
  const payload = call.body.length > 0 ? call.body : Buffer.from("{}");
  const reply = headers.streams
    ? streamedReply(response, headers.wantsTail)
    : wholeReply(response, headers.wantsTail);
  const invocation = { ...newInvocation(payload, headers.clientContext), onChunk: reply.chunk };
  response.setHeader("x-amzn-RequestId", invocation.requestId);
  if (headers.type === "Event") {
    void runLater(call.account, call.region, fn, invocation);
    response.writeHead(202).end();
    return;
  }
  await runNow(call, fn, invocation, reply, response);
}

function checkPayload({ account, body }: Call, type: string): void {
  const limitBytes = type === "Event" ? account.limits.asyncRequestBytes : account.limits.requestBytes;
  if (body.length > limitBytes)
    throw new AwsError(
      "RequestTooLargeException",
      413,
      `Request must be smaller than ${limitBytes} bytes for the InvokeFunction operation`,
      { Type: "User" },
    );
  try {
    if (body.length > 0) JSON.parse(body.toString());
  } catch (error) {
    const message = `Could not parse request body into json: Could not parse payload into json: ${(error as Error).message}`;
    throw new AwsError("InvalidRequestContentException", 400, message, { Type: "User" });
  }
}

async function runNow(
  call: Call,
  fn: LambdaFunction,
  invocation: Invocation,
  reply: Reply,
  response: ServerResponse,
): Promise<void> {
  const { faults } = call.account;
  const fault = faults.next(fn.name);
  if (fault?.fault === "throttle") {
    faults.happened("throttle");
    throw throttled("ConcurrentInvocationLimitExceeded");
  }
  if (fault?.fault === "serverError") {
    faults.happened("serverError");
    throw serviceException();
  }
  const end = await run(call.account, call.region, fn, invocation, fault, response);
  if (fault?.fault === "lostAnswer") {
    faults.happened("lostAnswer");
    if (response.headersSent) response.destroy();
    throw serviceException();
  }
  if (fault?.fault === "delay") {
    faults.happened("delay");
    await delay(fault.ms);
  }
  if (!response.destroyed) reply.end(invocation, end);
}

const serviceException = (): AwsError =>
  new AwsError("ServiceException", 500, "An error occurred and the request cannot be processed.", {
    Type: "Service",
  });

/** Runs it in an environment. @throws AwsError 429 */
async function run(
  { faults }: Account,
  region: Region,
  fn: LambdaFunction,
  invocation: Invocation,
  fault?: Fault,
  response?: ServerResponse,
): Promise<InvocationEnd> {
  const leave = region.scaling.enter(fn);
  try {
    if (fault?.fault === "duplicate") {
      faults.happened("duplicate");
      const first = runOnce(region, fn, invocation);
      // One answer reaches the caller; of a response that streams it is the first environment's.
      const second = runOnce(region, fn, { ...invocation, onChunk: undefined }).catch(() => first);
      return await (invocation.onChunk ? first : Promise.race([first, second]));
    }
    return await runOnce(region, fn, invocation, (environment) =>
      disturb(environment, fault, faults, response),
    );
  } finally {
    leave();
  }
}

async function runOnce(
  region: Region,
  fn: LambdaFunction,
  invocation: Invocation,
  meanwhile: (environment: Environment) => void = () => {},
): Promise<InvocationEnd> {
  const environment = region.fleet.take(fn);
  try {
    const ending = environment.invoke(invocation);
    meanwhile(environment);
    return await ending;
  } finally {
    region.fleet.release(environment);
  }
}

function disturb(
  environment: Environment,
  planned: Fault,
  faults: Account["faults"],
  response: ServerResponse | undefined,
): void {
  if (!planned) return;
  const { fault, ms } = planned;
  const kill = () => {
    if (environment.hasEnded || !environment.isBusy) return;
    faults.happened(fault);
    environment.kill();
  };
  const cut = () => {
    if (!response || response.writableEnded) return;
    faults.happened(fault);
    response.socket?.resetAndDestroy();
  };
  const onceBegun = (then: () => void) => void environment.begun.then(then);
  if (fault === "killBefore") kill();
  else if (fault === "killDuring") onceBegun(() => setTimeout(kill, ms));
  else if (fault === "cut") onceBegun(() => setTimeout(cut, ms));
  else if (fault === "killAfter") {
    faults.happened(fault);
    environment.killAfterAnswer = true;
  } else if (fault === "freeze") {
    onceBegun(() => {
      faults.happened(fault);
      void environment.freezeFor(ms);
    });
  }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html */
async function runLater(
  account: Account,
  region: Region,
  fn: LambdaFunction,
  invocation: Invocation,
): Promise<void> {
  const { asyncRetries, asyncRetryMs } = account.limits;
  let failures = 0;
  while (failures <= asyncRetries && !fn.isDeleted) {
    try {
      const end = await run(account, region, fn, invocation);
      if (!end.functionError) return;
      failures += 1;
    } catch (error) {
      // Throttled: it waits in the queue, for up to six hours.
      if (!(error instanceof AwsError)) throw error;
    }
    await delay(asyncRetryMs);
  }
}
