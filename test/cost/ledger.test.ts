import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ComputePrices } from "../../src/compute/contract.ts";
import { costOfAttempt, Ledger, usdOf } from "../../src/cost/ledger.ts";
import { AWS_US_EAST_1, pricesIn } from "../../src/cost/prices.ts";
import { costText } from "../../src/observe/summary.ts";
import { formatUsd } from "../../src/observe/text.ts";

const PRICES: ComputePrices = {
  name: "AWS us-east-1, 2026-11",
  usdPerGbSecond: AWS_US_EAST_1.lambda.usdPerGbSecond.arm64,
  usdPerRequest: AWS_US_EAST_1.lambda.usdPerRequest,
};

const attempts = fc.record({
  usage: fc.record({
    worker: fc.constant("w"),
    billedMs: fc.double({ min: 0, max: 900_000, noNaN: true }),
    memoryMb: fc.integer({ min: 128, max: 10_240 }),
  }),
  fate: fc.record({
    end: fc.constantFrom("ok", "crashed", "out-of-memory", "timed-out", "lost", "throttled", "cancelled"),
    count: fc.integer({ min: 1, max: 1000 }),
    reported: fc.integer({ min: 0, max: 1200 }),
    raced: fc.boolean(),
  }),
});

describe("the ledger", () => {
  it("is the sum of its parts, wastes no more than was paid, and never pays less than nothing", () => {
    fc.assert(
      fc.property(
        fc.array(attempts, { maxLength: 50 }),
        fc.array(fc.record({ puts: fc.nat(1e6), gets: fc.nat(1e6) }), { maxLength: 5 }),
        (all, storage) => {
          const ledger = new Ledger("");
          let usefulUsd = 0;
          for (const { usage, fate } of all) {
            const cost = costOfAttempt(usage, PRICES, fate);
            expect(cost.wastedPart).toBeGreaterThanOrEqual(0);
            expect(cost.wastedPart).toBeLessThanOrEqual(1);
            expect(cost.waste === undefined).toBe(cost.wastedPart === 0);
            usefulUsd += usdOf(cost) * (1 - cost.wastedPart);
            ledger.addAttempt(cost);
          }
          for (const requests of storage) ledger.addStorage(requests, AWS_US_EAST_1);
          const { total } = ledger;
          for (const [name, amount] of Object.entries(total)) {
            if (name !== "prices") expect(amount).toBeGreaterThanOrEqual(0);
          }
          expect(total.usd).toBeCloseTo(total.computeUsd + total.requestsUsd + total.storageUsd, 9);
          const wastedUsd = total.wastedByRetriesUsd + total.wastedByBackupsUsd;
          expect(wastedUsd + usefulUsd).toBeCloseTo(total.computeUsd + total.requestsUsd, 9);
          expect(total.invocations).toBe(all.length);
        },
      ),
    );
  });

  it("of several is the sum of theirs, in whatever order", () => {
    fc.assert(
      fc.property(fc.array(fc.array(attempts, { maxLength: 5 }), { maxLength: 5 }), (jobs) => {
        const ledgers = jobs.map((all) => {
          const ledger = new Ledger("");
          for (const { usage, fate } of all) ledger.addAttempt(costOfAttempt(usage, PRICES, fate));
          return ledger.total;
        });
        const sumOf = (parts: typeof ledgers) => {
          const sum = new Ledger("");
          for (const part of parts) sum.addAll(part);
          return sum.total;
        };
        const [there, back] = [sumOf(ledgers), sumOf([...ledgers].reverse())];
        expect(there.usd).toBeCloseTo(back.usd, 12);
        expect(there.invocations).toBe(jobs.flat().length);
      }),
    );
  });

  it("prices an attempt as AWS's own example does: 1,769 MB for a second on arm64", () => {
    const usage = { worker: "w", billedMs: 1000, memoryMb: 1769 };
    const cost = costOfAttempt(usage, PRICES, { end: "ok", count: 1, reported: 1, raced: false });
    expect(cost.gbSeconds).toBeCloseTo(1.7275, 4);
    expect(usdOf(cost)).toBeCloseTo(1.7275390625 * 0.0000133334 + 0.0000002, 12);
  });

  it("calls a lost race waste of backups, a failure waste of retries, and keeps what a failed batch brought", () => {
    const usage = { worker: "w", billedMs: 1000, memoryMb: 1024 };
    const of = (end: string, reported: number, raced: boolean) => {
      const { waste, wastedPart } = costOfAttempt(usage, PRICES, { end, count: 4, reported, raced });
      return [waste, wastedPart];
    };
    expect(of("ok", 4, true)).toEqual([undefined, 0]);
    expect(of("cancelled", 0, true)).toEqual(["backups", 1]);
    expect(of("crashed", 3, false)).toEqual(["retries", 0.25]);
    expect(of("cancelled", 4, false)).toEqual([undefined, 0]);
  });
});

describe("prices", () => {
  it("of a region without a row are those of us-east-1, and say so", () => {
    expect(pricesIn("eu-central-1")).toMatchObject({ name: "AWS eu-central-1", asOf: "2026-11" });
    expect(pricesIn("eu-central-1").s3.usdPerPut).toBeCloseTo(0.0000054, 12);
    expect(pricesIn("mars-north-1").name).toBe("AWS us-east-1, for want of those of mars-north-1");
    expect(pricesIn("mars-north-1").s3).toEqual(AWS_US_EAST_1.s3);
  });

  it.each([
    [0, "$0.00"],
    [12.345, "$12.35"],
    [0.012345, "$0.0123"],
    [0.00000421, "$0.00000421"],
  ])("are shown with three figures: %s", (usd, text) => expect(formatUsd(usd)).toBe(text));

  it("are shown with what was wasted", () => {
    const ledger = new Ledger("");
    const usage = { worker: "w", billedMs: 1000, memoryMb: 1024 };
    const fate = { count: 1, raced: false };
    for (let i = 0; i < 9; i++)
      ledger.addAttempt(costOfAttempt(usage, PRICES, { ...fate, end: "ok", reported: 1 }));
    ledger.addAttempt(costOfAttempt(usage, PRICES, { ...fate, end: "crashed", reported: 0 }));
    expect(costText(ledger.total)).toBe(
      "$0.000135: 10 invocations, 10 GB-s (AWS us-east-1, 2026-11); 10 % wasted by retries",
    );
  });
});
