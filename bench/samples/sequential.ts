import { report, sampleArgument } from "../lib/fresh-process.ts";
import { openSubject, type SubjectName } from "../subjects/subject.ts";

const WARM_UP = 200;
const { subject: name, n, workers } = sampleArgument<{ subject: SubjectName; n: number; workers: number }>();

const subject = await openSubject(name, workers);
for (let i = 0; i < WARM_UP; i++) await subject.run(i);

const latenciesUs: number[] = [];
const startedAtMs = performance.now();
for (let i = 0; i < n; i++) {
  const calledAtMs = performance.now();
  if ((await subject.run(i)) !== i) throw new Error(`${name}: wrong result`);
  latenciesUs.push((performance.now() - calledAtMs) * 1000);
}
const meanUs = ((performance.now() - startedAtMs) * 1000) / n;
await subject.close();

latenciesUs.sort((a, b) => a - b);
report({ meanUs, p50Us: latenciesUs[Math.floor(n * 0.5)]!, p99Us: latenciesUs[Math.floor(n * 0.99)]! });
