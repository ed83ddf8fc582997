import { report, sampleArgument } from "../lib/fresh-process.ts";
import { openSubject, type SubjectName } from "../subjects/subject.ts";

const { subject: name, n, workers } = sampleArgument<{ subject: SubjectName; n: number; workers: number }>();
const items = Array.from({ length: n }, (_, i) => i);

const startedAtMs = performance.now();
const subject = await openSubject(name, workers);
check(await subject.map(items));
const openToResultsMs = performance.now() - startedAtMs;

const warmAtMs = performance.now();
check(await subject.map(items));
const warmUs = ((performance.now() - warmAtMs) * 1000) / n;
await subject.close();

// faast.js bundles its workers with webpack first, and runs fewer tasks: that figure would be no comparison.
report(name === "faast.js local" ? { warmUs } : { openToResultsMs, warmUs });

function check(results: readonly number[]): void {
  if (results.length !== n || results.some((value, i) => value !== i))
    throw new Error(`${name}: wrong results`);
}
