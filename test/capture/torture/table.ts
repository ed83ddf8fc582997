// @ts-nocheck
/** A table of cases of one feature: functions to capture here and to call in another process. */
export function table(feature) {
  const cases = [];
  return {
    feature,
    cases,
    /** `fn`, called there with `args`, gives `expected`. */
    works: (name, fn, args, expected) => cases.push({ name, fn, args, expected }),
    /** As `works`, with effects that outlive a task (module state): called once only. */
    worksOnce: (name, fn, args, expected) => cases.push({ name, fn, args, expected, once: true }),
    /** `begin` calls the given `capture` while its own frame is running. */
    worksWhile: (name, begin, args, expected) => cases.push({ name, begin, args, expected }),
    /** Calling `fn` there rejects with an error of which `check` says what is wrong, or "". */
    rejects: (name, fn, args, check) => cases.push({ name, fn, args, check }),
    /** Capturing `fn` fails with a message that matches `pattern`. */
    fails: (name, fn, pattern) => cases.push({ name, fn, args: [], pattern: pattern.source, flags: pattern.flags }),
    failsWhile: (name, begin, pattern) => cases.push({ name, begin, args: [], pattern: pattern.source, flags: pattern.flags }),
  };
}
