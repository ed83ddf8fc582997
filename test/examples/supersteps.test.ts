import { expect, test } from "vitest";
import { runExample, temporaryFolder } from "./run-example.ts";

test("pagerank ranks as a plain loop does, and a second run has nothing left to compute", async () => {
  const storage = temporaryFolder();
  const { code, stdout, stderr } = await runExample("pagerank.ts", ["--pages", "2000"], storage);
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^2000 pages, \d\d supersteps, ended: until\npage \d+ +0\.\d{6}$/m);
  expect(stdout).toContain("check: the same as a plain loop\n");
  expect(code).toBe(0);
  expect((await runExample("pagerank.ts", ["--pages", "2000"], storage)).stdout).toBe(stdout);
});

test("connected-components finds the groups that a union-find finds", async () => {
  const { code, stdout, stderr } = await runExample("connected-components.ts", ["--people", "3000"]);
  expect(stderr).toBe("");
  expect(stdout).toMatch(
    /^\d+ people in \d+ groups, the greatest of \d+\n\d+ supersteps, messages in each: [\d ]+ 0$/m,
  );
  expect(stdout).toContain("check: the same as a union-find\n");
  expect(code).toBe(0);
});

test("k-means finds the centres that a plain loop finds", async () => {
  const { code, stdout, stderr } = await runExample("k-means.ts", ["--points", "20000"]);
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^5 centres of 20000 points, \d+ supersteps, ended: until$/m);
  expect(stdout).toContain("check: the same as a plain loop\n");
  expect(code).toBe(0);
});
