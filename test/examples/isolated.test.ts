import { expect, test } from "vitest";
import { runExample } from "./run-example.ts";

/** The same programs, unchanged, with workers that see neither the repository nor the driver's temporary files. */
test.each<[string, string[], string]>([
  ["monte-carlo-pi.ts", ["--tasks", "8", "--samples", "5000"], "of 40000 points are inside"],
  ["thumbnails.ts", ["--photos", "3"], "3 photos, 6 thumbnails, 0 of a wrong size"],
  ["sweep.ts", ["--rows", "100", "--epochs", "5"], "best: learning rate"],
  ["flaky.ts", ["--tasks", "10"], "10 of 10 results, 0 wrong"],
  [
    "log-count.ts",
    ["--megabytes", "2", "--slice-kilobytes", "300"],
    "check: the same as a plain count of the whole file",
  ],
  ["sort-records.ts", ["--megabytes", "2"], "0 out of order"],
])("%s elsewhere", async (name, args, expected) => {
  const { code, stdout, stderr } = await runExample(name, args, undefined, true);
  expect(stdout, stderr).toContain(expected);
  expect(code).toBe(0);
});
