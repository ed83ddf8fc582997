import { PutFunctionConcurrencyCommand } from "@aws-sdk/client-lambda";
import { expect, it } from "vitest";
import { createFunction, type FunctionUnderTest } from "./lambda/function-under-test.ts";
import { describeWith } from "./services.ts";

const MB = 1024 * 1024;
const throttledFor = (Reason: string) => ({
  ...{ name: "TooManyRequestsException", Reason, retryAfterSeconds: "1" },
  $metadata: expect.objectContaining({ httpStatusCode: 429 }),
});

const reserve = ({ client, name }: FunctionUnderTest, ReservedConcurrentExecutions: number) =>
  client.send(new PutFunctionConcurrencyCommand({ FunctionName: name, ReservedConcurrentExecutions }));

describeWith("lambda", "a limit of the Lambda double", (lambda) => {
  it("is 6 MB of request", async () => {
    const { invoke } = await createFunction(lambda());
    const fitting = await invoke({ echo: "", pad: "x".repeat(6 * MB - 100) });
    expect(fitting.payload.count).toBe(1);
    await expect(invoke({ pad: "x".repeat(6 * MB) })).rejects.toMatchObject({
      ...{ name: "RequestTooLargeException", $metadata: { httpStatusCode: 413 } },
      message: "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    });
  });

  it("is 6 MB of response", async () => {
    const { invoke } = await createFunction(lambda());
    expect((await invoke({ big: 6 * MB - 1000 })).payload.big).toHaveLength(6 * MB - 1000);
    const { functionError, payload } = await invoke({ big: 6 * MB });
    expect({ functionError, payload }).toEqual({
      functionError: "Unhandled",
      payload: {
        errorType: "Function.ResponseSizeTooLarge",
        errorMessage: "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
      },
    });
    expect((await invoke({})).payload.count).toBe(3);
  });

  it("is 1 MB of an asynchronous request", async () => {
    const { invoke } = await createFunction(lambda());
    await expect(invoke({ pad: "x".repeat(MB) }, { InvocationType: "Event" })).rejects.toMatchObject({
      ...{ name: "RequestTooLargeException", message: expect.stringContaining("smaller than 1048576 bytes") },
    });
  });

  it("is that a payload is JSON", async () => {
    const { invoke } = await createFunction(lambda());
    await expect(invoke({}, { Payload: "{ no" })).rejects.toMatchObject({
      name: "InvalidRequestContentException",
    });
  });

  it("is the function's reserved concurrency", async () => {
    const account = await lambda().openAccount();
    const created = await createFunction(account);
    await reserve(created, 1);
    const running = created.invoke({ sleepMs: 1500 });
    await expect.poll(() => account.environments()).toMatchObject([{ isBusy: true }]);
    await expect(created.invoke({})).rejects.toMatchObject(
      throttledFor("ReservedFunctionConcurrentInvocationLimitExceeded"),
    );
    expect((await running).status).toBe(200);
    await reserve(created, 0);
    await expect(created.invoke({})).rejects.toMatchObject({ name: "TooManyRequestsException" });
  });

  it("is the account's concurrency, for all functions without a reserved one", async () => {
    const account = await lambda().openAccount({ concurrency: 2 });
    const [one, other, apart] = [
      await createFunction(account),
      await createFunction(account),
      await createFunction(account),
    ];
    await reserve(apart, 1);
    const running = one.invoke({ sleepMs: 1500 });
    await expect.poll(() => account.environments()).toMatchObject([{ isBusy: true }]);
    await expect(other.invoke({})).rejects.toMatchObject(throttledFor("ConcurrentInvocationLimitExceeded"));
    expect((await apart.invoke({})).status).toBe(200);
    expect((await running).status).toBe(200);
    expect((await other.invoke({})).status).toBe(200);
  });

  it("is ten requests a second for each unit of concurrency", async () => {
    const account = await lambda().openAccount({ concurrency: 10, requestsPerSecondPerConcurrency: 0.2 });
    const { invoke } = await createFunction(account);
    const ends = await Promise.allSettled([1, 2, 3].map(() => invoke({})));
    expect(ends.filter(({ status }) => status === "rejected")).toMatchObject([
      { reason: throttledFor("CallerRateLimitExceeded") },
    ]);
  });

  it("is how many environments a function may start within ten seconds", async () => {
    const account = await lambda().openAccount({ newEnvironments: 2, newEnvironmentsPerMs: 2000 });
    const { invoke } = await createFunction(account);
    const ends = await Promise.allSettled([1, 2, 3].map(() => invoke({ sleepMs: 1500 })));
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    await expect
      .poll(() =>
        Promise.all([1, 2, 3].map(() => invoke({ sleepMs: 300 }))).then(
          () => "enough",
          () => "throttled",
        ),
      )
      .toBe("enough");
  });

  it("is not met by an asynchronous invocation, which waits, and is retried when it fails", async () => {
    const account = await lambda().openAccount();
    const created = await createFunction(account);
    expect((await created.invoke({ throw: "always" }, { InvocationType: "Event" })).status).toBe(202);
    await expect.poll(() => account.environments()).toMatchObject([{ invocations: 3 }]);
    expect((await created.invoke({}, { InvocationType: "DryRun" })).status).toBe(204);
  });
});
