import { describe, expect, it } from "vitest";
import type { Codec } from "../../src/codec/contract.ts";
import { UsageError } from "../../src/errors.ts";
import { noServices, TaskContext, type TaskSurroundings } from "../../src/worker/context.ts";

const codec: Codec = { encode: () => [], decode: () => undefined };
const surroundings: TaskSurroundings = {
  jobId: "job-1",
  attempt: 7,
  tryOf: (index) => (index === 5 ? 2 : 1),
  depth: 0,
  signal: () => new AbortController().signal,
  request: async (payload) => payload,
  services: noServices,
};

describe("the context of a task", () => {
  const context = new TaskContext(surroundings, 5, codec);

  it("tells where the task stands", () => {
    expect([context.index, context.attempt, context.jobId]).toEqual([5, 2, "job-1"]);
  });

  const misuses: [string, (i: never) => unknown][] = [
    ["added to a number", (i) => 1 + i],
    ["added to a string", (i) => `item ${i}`],
    ["used as an index", (i) => ["a", "b"][i]],
    ["compared", (i) => i > 3],
    ["made a number", (i) => Number(i)],
  ];
  it.each(misuses)("is no index: %s it throws, and says what to write", (_how, misuse) => {
    expect(() => misuse(context as never)).toThrow(UsageError);
    expect(() => misuse(context as never)).toThrow(/ctx\.index/);
  });

  it("makes what stands behind ctx.pool and ctx.store at the first use, once", () => {
    const made: unknown[] = [];
    const services = {
      pool: (around: TaskSurroundings, own: Codec) => made.push(["pool", around.attempt, own === codec]),
      store: (around: TaskSurroundings) => made.push(["store", around.jobId]),
    };
    const rich = new TaskContext({ ...surroundings, services }, 0, codec);
    expect(made).toEqual([]);
    expect(rich.pool).toBe(rich.pool);
    expect(rich.store).toBe(rich.store);
    expect(made).toEqual([
      ["pool", 7, true],
      ["store", "job-1"],
    ]);
  });

  it("says so where a worker can't offer them", () => {
    expect(() => context.pool).toThrow(/ctx\.pool/);
    expect(() => context.store).toThrow(/ctx\.store/);
  });
});
