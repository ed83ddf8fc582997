import { describe, expect, it } from "vitest";
import { parseSize } from "../../src/cli/sizes.ts";
import { kinglet } from "./kinglet.ts";

const here = { cwd: import.meta.dirname };
const planned = async (...args: string[]) =>
  JSON.parse((await kinglet(["plan", "sort", ...args, "--json"], here)).stdout);

describe("kinglet plan sort", () => {
  it("plans 100 TB: runs, levels, requests, time and cost", async () => {
    const { code, stdout, stderr } = await kinglet(["plan", "sort", "--bytes", "100TB"], here);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(
      "A sort of 100 TB on 1,000 workers of 8,192 MiB, 40 MB/s each:\n93,133 sorted runs of 1.07 GB",
    );
    expect(stdout).toContain("in two levels, of groups of 306 runs × 306 partitions.\n");
    expect(stdout).toMatch(/^merge runs +93,025 +28,405,565 +6,232,675 +1 min 1 s +1 h 35 min$/m);
    expect(stdout).toMatch(/^total +\$1,905\.55$/m);
    expect(stdout).toContain("Limit: the driver holds the first keys of 3,051,850,947 blocks");

    const plan = await planned("--bytes", "100TB");
    // Groups of 306: 305 rows and columns. Ranges of 3.52 MB, of 3.52 MB.
    expect(plan.stages.map(({ tasks, gets, puts }: Record<string, number>) => [tasks, gets, puts])).toEqual([
      [93_133, 93_133, 93_133],
      [93_025, 28_405_565, 93_025],
      [93_133, 28_405_565, 93_133],
    ]);
    expect(plan.getRequests).toBe(93_133 + 2 * 93_133 * 305);
    // Objects of 1.07 GB: 64 parts of 16 MiB and two requests around them, or 65 of those of merges.
    expect(plan.putRequests).toBe(2 * 93_133 * 66 + 93_025 * 67);
    const { costUsd } = plan;
    expect(costUsd.gets).toBeCloseTo((plan.getRequests * 0.4) / 1e6, 6);
    expect(costUsd.puts).toBeCloseTo((plan.putRequests * 5) / 1e6, 6);
    expect(costUsd.compute).toBeCloseTo(plan.gbSeconds * 0.0000133334, 6);
    expect(costUsd.total).toBeCloseTo(1905.55, 2);
  });

  it("takes a worker's memory, number, speed and processor, and the partitions", async () => {
    const args = ["--bytes", "1TB", "--memory-mb", "3052", "--workers", "2500", "--partitions", "2500"];
    const plan = await planned(...args, "--mb-per-second", "80", "--architecture", "x64");
    expect(plan.fleet).toEqual({ workers: 2500, memoryMb: 3052, mbPerSecond: 80, architecture: "x64" });
    expect(plan.plan).toMatchObject({ runs: 2500, partitions: 2500, levels: 2 });
    // 800 MB at 80 MB/s, a get and 26 put requests of 20 ms.
    expect(plan.stages[0].taskMs).toBe(10_000 + 27 * 20);
    expect(plan.costUsd.compute).toBeCloseTo(plan.gbSeconds * 0.0000166667, 6);
    const small = await planned("--bytes", "1GB");
    expect(small.plan).toMatchObject({ runs: 30, levels: 1 });
    expect(small.fleet.memoryMb).toBe(256);
  });

  it("says what is wrong with what it is asked", async () => {
    const wrong = async (...args: string[]) => kinglet(["plan", "sort", ...args], here);
    expect(await wrong()).toMatchObject({ code: 2 });
    expect(await kinglet(["plan", "tea", "--bytes", "1TB"], here)).toMatchObject({ code: 2 });
    const little = await wrong("--bytes", "100TB", "--memory-mb", "256");
    expect(little).toMatchObject({ code: 2 });
    expect(little.stderr).toContain("From 8192 MiB on it can be done");
    expect((await wrong("--bytes", "1TB", "--architecture", "mips")).stderr).toContain(
      "--architecture arm64",
    );
    expect((await wrong("--bytes", "much")).stderr).toContain("--bytes 100TB");
  });

  it("reads sizes as they are written", () => {
    const sizes = ["100TB", "1.5 GB", "64MiB", "1e9", "7", "2KiB"];
    expect(sizes.map((text) => parseSize(text, "--bytes"))).toEqual([1e14, 1.5e9, 67_108_864, 1e9, 7, 2048]);
    for (const text of ["", "-1", "0", "1XB", "10k", "1.2.3", "1e99"])
      expect(() => parseSize(text, "--bytes")).toThrow("no size");
  });
});
