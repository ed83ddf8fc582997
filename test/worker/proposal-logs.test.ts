import { describe, expect, it } from "vitest";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { ProposalLogs } from "../../src/worker/proposal-logs.ts";

describe("the logs of a worker", () => {
  it("are one for each journal", async () => {
    const logs = new ProposalLogs(openMemoryStore(), "w1");
    const first = await logs.of("journals/aaaaaa/");
    const second = await logs.of("journals/bbbbbb/");
    expect(await logs.of("journals/aaaaaa/")).toBe(first);
    expect([first.writer.key, second.writer.key]).toEqual([
      "journals/aaaaaa/worker-w1.log",
      "journals/bbbbbb/worker-w1-1.log",
    ]);
  });

  it("are never reopened: one that made room for others is followed by a new one", async () => {
    const logs = new ProposalLogs(openMemoryStore(), "w1");
    const names = new Set<string>();
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 40; i++) {
        const { writer } = await logs.of(`journals/journal-${i}/`);
        expect(names.has(writer.key)).toBe(false);
        names.add(writer.key);
      }
    }
  });

  it("stay open as long as they are used", async () => {
    const logs = new ProposalLogs(openMemoryStore(), "w1");
    const busy = await logs.of("journals/busyyy/");
    for (let i = 0; i < 100; i++) {
      await logs.of(`journals/journal-${i}/`);
      expect(await logs.of("journals/busyyy/")).toBe(busy);
    }
  });

  it("can't be had from a store without logs", () => {
    const { openLog: _none, ...store } = { ...openMemoryStore() };
    expect(() => new ProposalLogs({ ...store, description: "a store" }, "w1").of("journals/aaaaaa/")).toThrow(
      /a store can't append/,
    );
  });
});
