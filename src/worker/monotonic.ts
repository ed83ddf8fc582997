// Bound at load: tasks may put fake timers in place of the globals. Not `performance`, which takes 5 ms to load.
const hrtime = process.hrtime.bind(process);

/**
 * Milliseconds of the machine's monotonic clock: comparable between processes of one machine, never set back.
 * (`performance.now` counts from the process's own start.)
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
