import path from "node:path";
import { expect, it } from "vitest";
import { createFunction } from "./lambda/function-under-test.ts";
import { describeWith } from "./services.ts";

const _REPOSITORY = path.resolve(import.meta.dirname, "../..");

describeWith("lambda", "an execution environment of the Lambda double", (lambda) => {
  it("runs the upload with AWS's runtime client, and is used again", async () => {
    const { invoke } = await createFunction(lambda());
    const first = await invoke({ echo: [1, { two: "3" }] });
    expect(first).toMatchObject({
      status: 200,
      functionError: undefined,
      payload: { count: 1, echo: [1, { two: "3" }] },
    });
    expect(first.payload.remainingMs).toBeGreaterThan(5000);
    expect((await invoke({})).payload.count).toBe(2);
  });
});
