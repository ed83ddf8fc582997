/** Of the tests, the part that runs: `npm test` is the short one, `npm run test:long` the long one (vitest.config.ts). */
export const PART: "short" | "long" = process.env["KINGLET_TEST_PART"] === "long" ? "long" : "short";

/**
 * How much of something, in each part: seeds, kills, tasks. A test file that asks has a file of the long part beside it,
 * `x.long.test.ts`, which imports it.
 */
export const amount = <T>({ short, long }: { readonly short: T; readonly long: T }): T =>
  PART === "long" ? long : short;
