import type { Figures } from "../lib/benchmark.ts";
import { report, sampleArgument } from "../lib/fresh-process.ts";
import { medianOf } from "../lib/statistics.ts";
import { openSubject, type SubjectName } from "../subjects/subject.ts";

interface Argument {
  readonly subject: SubjectName;
  readonly workers: number;
  readonly cases: readonly { readonly sizeBytes: number; readonly count: number }[];
}

const { subject: name, workers, cases } = sampleArgument<Argument>();
const subject = await openSubject(name, workers);
await subject.map(Array.from({ length: 100 }, () => new Uint8Array(100)));

const figures: Figures = {};
for (const { sizeBytes, count } of cases) {
  const timesMs: number[] = [];
  for (let repeat = 0; repeat < 3; repeat++) {
    // Made anew each time: a transferred array is gone.
    const items = Array.from({ length: count }, (_, i) => new Uint8Array(sizeBytes).fill(i + repeat));
    const startedAtMs = performance.now();
    const results = await subject.map(items);
    timesMs.push(performance.now() - startedAtMs);
    check(results, sizeBytes, repeat);
  }
  figures[String(sizeBytes)] = (medianOf(timesMs) * 1000) / count;
}
await subject.close();
report(figures);

function check(results: readonly Uint8Array[], sizeBytes: number, repeat: number): void {
  results.forEach((bytes, i) => {
    const expected = (i + repeat) & 255;
    if (bytes.length !== sizeBytes || bytes[0] !== expected || bytes.at(-1) !== expected) {
      throw new Error(`${name}: result ${i} of ${sizeBytes} bytes is wrong`);
    }
  });
}
