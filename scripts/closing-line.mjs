/** In the titles of tests that a missing server left out: test/services/services.ts puts it there. */
const LEFT_OUT = /\(left out, needs (.+)\)$/;

/** A vitest reporter: ends the run with one plain line, for people and programs that look at the end of a log. */
export default class ClosingLine {
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const missing = new Set();
    for (const module of modules) {
      for (const suite of module.children.allSuites()) {
        const [, service] = LEFT_OUT.exec(suite.name) ?? [];
        if (service) missing.add(service);
      }
      // A file that could not be loaded has no tests, and has failed all the same.
      if (module.state() === "failed" && [...module.children.allTests()].length === 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state in counts) counts[state] += 1;
      }
    }
    counts.failed += errors.length;
    if (missing.size > 0) {
      process.stdout.write(
        `\nLEFT OUT: tests that need ${[...missing].join(", ")}. To run them: node scripts/services.mjs install\n`,
      );
    }
    process.stdout.write(
      `\ntests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`,
    );
  }
}
