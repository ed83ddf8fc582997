// Bound at load: tasks may put fake timers in place of the globals.
const now = performance.now.bind(performance);
const [seconds, nanoseconds] = process.hrtime();
const offsetMs = seconds * 1e3 + nanoseconds / 1e6 - now();

/**
 * Milliseconds of the machine's monotonic clock: comparable between processes of one machine, never set back.
 * (`performance.now` counts from the process's own start; `process.hrtime` doesn't, but allocates.)
 */
export const monotonicMs = (): number => now() + offsetMs;
