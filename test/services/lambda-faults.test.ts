import { DeleteFunctionCommand } from "@aws-sdk/client-lambda";
import { expect, it } from "vitest";
import type { LambdaAccount } from "./lambda/account-client.ts";
import { createFunction, type FunctionUnderTest } from "./lambda/function-under-test.ts";
import { describeWith } from "./services.ts";

describeWith("lambda", "a fault of the Lambda double", (lambda) => {
  const opened = async (): Promise<FunctionUnderTest & { account: LambdaAccount }> => {
    const account = await lambda().openAccount();
    return { account, ...(await createFunction(account)) };
  };
  const killed = {
    functionError: "Unhandled",
    payload: {
      errorType: "Runtime.ExitError",
      errorMessage: expect.stringMatching(
        /^RequestId: \S+ Error: Runtime exited with error: signal: killed$/,
      ),
    },
  };

  it.each(["killBefore", "killDuring"] as const)(
    "kills the environment of one invocation: %s",
    async (fault) => {
      const { account, invoke } = await opened();
      await account.orderFault(fault, { nth: 2, ms: 10 });
      expect((await invoke({})).payload.count).toBe(1);
      expect(await invoke({ sleepMs: 20_000 })).toMatchObject(killed);
      expect((await invoke({})).payload.count).toBe(1);
      expect((await account.faultCounts())[fault]).toBe(1);
    },
  );

  it("kills the environment once the answer is out", async () => {
    const { account, invoke } = await opened();
    await account.orderFault("killAfter");
    expect((await invoke({})).payload.count).toBe(1);
    await expect.poll(() => account.environments()).toEqual([]);
    expect((await invoke({})).payload.count).toBe(1);
  });

  it("kills any environment now", async () => {
    const { account, invoke } = await opened();
    const running = invoke({ sleepMs: 60_000 });
    await expect.poll(() => account.environments()).toMatchObject([{ isBusy: true }]);
    await account.killEnvironment((await account.environments())[0]!.id);
    expect(await running).toMatchObject(killed);
  });

  it("throttles", async () => {
    const { account, invoke } = await opened();
    await account.orderFault("throttle");
    await expect(invoke({})).rejects.toMatchObject({
      name: "TooManyRequestsException",
      retryAfterSeconds: "1",
    });
    expect((await invoke({})).payload.count).toBe(1);
  });

  it("is an error of the service before the function ran, or after", async () => {
    const { account, invoke } = await opened();
    const failed = { name: "ServiceException", $metadata: { httpStatusCode: 500 } };
    await account.orderFault("serverError");
    await expect(invoke({})).rejects.toMatchObject(failed);
    expect(await account.environments()).toEqual([]);
    await account.orderFault("lostAnswer");
    await expect(invoke({})).rejects.toMatchObject(failed);
    expect((await invoke({})).payload.count).toBe(2);
  });

  it("freezes an environment in the middle, by order or now", async () => {
    const { account, invoke } = await opened();
    await account.orderFault("freeze", { ms: 700 });
    const startMs = performance.now();
    expect((await invoke({ sleepMs: 50 })).payload.count).toBe(1);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(690);
    const running = invoke({ sleepMs: 1500 });
    await expect.poll(() => account.environments()).toMatchObject([{ isBusy: true }]);
    await account.freezeEnvironment((await account.environments())[0]!.id, 300);
    expect((await running).payload.count).toBe(2);
  });

  it("delivers an invocation twice", async () => {
    const { account, invoke } = await opened();
    await account.orderFault("duplicate");
    expect((await invoke({})).payload.count).toBe(1);
    await expect
      .poll(() => account.environments())
      .toMatchObject([
        { isBusy: false, invocations: 1 },
        { isBusy: false, invocations: 1 },
      ]);
  });

  it("cuts the connection, and the function goes on", async () => {
    const { account, invoke } = await opened();
    await account.orderFault("cut", { ms: 50 });
    await expect(invoke({ sleepMs: 500 })).rejects.toMatchObject({ code: "ECONNRESET" });
    await expect.poll(() => account.environments()).toMatchObject([{ isBusy: false }]);
    expect((await invoke({})).payload.count).toBe(2);
  });

  it("delays an answer", async () => {
    const { account, invoke } = await opened();
    await account.orderFault("delay", { ms: 400 });
    const startMs = performance.now();
    await invoke({});
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(395);
  });

  it("comes at random by a seed, the same each time, and is counted", async () => {
    const run = async () => {
      const { account, invoke } = await opened();
      await account.setFaultRates({ seed: 7, rates: { throttle: 0.3, lostAnswer: 0.2 } });
      const ends: string[] = [];
      for (let i = 0; i < 20; i++)
        ends.push(
          await invoke({}).then(
            () => "ok",
            ({ name }: Error) => name,
          ),
        );
      return { ends, counts: await account.faultCounts() };
    };
    const first = await run();
    expect(await run()).toEqual(first);
    expect(first.counts.throttle).toBe(first.ends.filter((end) => end === "TooManyRequestsException").length);
    expect(first.counts.throttle).toBeGreaterThan(0);
  });

  it("is that the function is deleted meanwhile: what runs may end", async () => {
    const { account, invoke, client, name: FunctionName } = await opened();
    const running = invoke({ sleepMs: 1000 });
    await expect.poll(() => account.environments()).toMatchObject([{ isBusy: true }]);
    await client.send(new DeleteFunctionCommand({ FunctionName }));
    await expect(invoke({})).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    expect((await running).payload.count).toBe(1);
    await expect.poll(() => account.environments()).toEqual([]);
  });
});
