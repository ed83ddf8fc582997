import { expect, test } from "vitest";
import { runExample } from "./run-example.ts";

test("sort-records sorts what doesn't fit a task's memory, and checks it as valsort does", async () => {
  const { code, stdout, stderr } = await runExample("sort-records.ts", [
    "--megabytes",
    "20",
    "--partitions",
    "3",
  ]);
  expect(stderr).toBe("");
  expect(stdout).toContain("200000 records in 3 objects, 0 out of order\n");
  expect(stdout).toMatch(/^check: the same records, checksum [\da-f]+$/m);
  expect(code).toBe(0);
});
