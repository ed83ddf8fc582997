import { expect, test } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import { runExample, temporaryFolder } from "./run-example.ts";

test("monte-carlo-pi finds the points that a plain loop finds", async () => {
  const { code, stdout } = await runExample("monte-carlo-pi.ts", ["--tasks", "20", "--samples", "50000"]);
  let inside = 0;
  for (let task = 0; task < 20; task++) {
    const random = seededRandom(Math.imul(task + 1, 0x9e3779b1));
    for (let i = 0; i < 50_000; i++) if (Math.hypot(random(), random()) < 1) inside++;
  }
  expect(stdout).toContain(`${inside} of 1000000 points are inside\n`);
  expect(stdout).toContain(`π ≈ ${(inside / 250_000).toFixed(6)} ± 0.00164`);
  expect(code).toBe(0);
});

test("thumbnails puts an image of each size into the pool's store", async () => {
  const { code, stdout } = await runExample("thumbnails.ts", ["--photos", "5"]);
  expect(stdout).toContain("5 photos, 10 thumbnails, 0 of a wrong size\n");
  expect(stdout).toContain("thumbs/photo-0-64.webp");
  expect(code).toBe(0);
});

test("sweep trains a model for each pair and names the best", async () => {
  const { code, stdout } = await runExample("sweep.ts", ["--rows", "400", "--epochs", "50"]);
  expect(stdout.match(/^│ \d+ /gm)).toHaveLength(16);
  expect(stdout).toContain("best: learning rate 5, penalty 0.001, loss 0.2517\n");
  expect(code).toBe(0);
});

test("flaky survives exits, kills and throws, and every result is right", async () => {
  const { code, stdout } = await runExample("flaky.ts", ["--tasks", "30"]);
  for (const kind of ["exit", "kill", "throw"]) expect(stdout).toContain(`survived 3 × ${kind}\n`);
  expect(stdout).toContain("30 of 30 results, 0 wrong\n");
  expect(stdout).toContain("an error keeps its class: true\n");
  expect(code).toBe(0);
});

test("resume computes only what the script that died had not", async () => {
  const storage = temporaryFolder();
  const died = await runExample("resume.ts", ["--tasks", "30", "--die-after", "10"], storage);
  expect(died.code).toBe(9);

  const second = await runExample("resume.ts", ["--tasks", "30"], storage);
  const [, reused, computed] = /^30 results: (\d+) from earlier runs, (\d+) computed now, 0 wrong$/m.exec(
    second.stdout,
  )!;
  expect(Number(reused)).toBeGreaterThanOrEqual(10);
  expect(Number(reused) + Number(computed)).toBe(30);
  expect(second.code).toBe(0);

  const third = await runExample("resume.ts", ["--tasks", "30"], storage);
  expect(third.stdout).toContain("30 results: 30 from earlier runs, 0 computed now, 0 wrong\n");
});

test("log-count counts each line of a sliced file once", async () => {
  const { code, stdout } = await runExample("log-count.ts", ["--megabytes", "4", "--slice-kilobytes", "300"]);
  expect(stdout).toMatch(/^4\.\d MB of log in 1[45] slices$/m);
  expect(stdout).toMatch(/^404 +\d{4,} requests +\d+ bytes$/m);
  expect(stdout).toContain("check: the same as a plain count of the whole file\n");
  expect(code).toBe(0);
});
