/**
 * How long a test waits for what should come at once before it says that it hangs. No test depends on how fast a computer
 * is: this is for the slowest and busiest one.
 */
export const PATIENCE_MS = 60_000;

/** Of a whole test, and of a hook: several such waits. */
export const TEST_LIMIT_MS = 300_000;

/** For tests that do much: all kills of a driver, say. */
export const MUCH = { timeout: 900_000 };
