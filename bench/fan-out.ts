// How quickly one driver fans out on AWS Lambda: invokes a second with many in flight, against a server in a process of
// its own that answers each invoke after 30 ms. Usage: node bench/fan-out.ts [tasks] [in flight]
import { fork } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { credentialSource } from "../src/aws/credentials.ts";
import { systemClock } from "../src/clock.ts";
import type { Invocation } from "../src/compute/contract.ts";
import { createLambdaBackend } from "../src/compute/lambda/backend.ts";
import type { InvokePayload } from "../src/compute/lambda/payload.ts";
import { encodeFrame } from "../src/compute/local/protocol.ts";
import { FRAME_ENDED, FRAME_OUTCOMES, FRAME_STARTED, RELAY_PROTOCOL } from "../src/compute/relay/protocol.ts";
import { ENTRY_VALUE, RunBuilder } from "../src/job/entries.ts";
import { openMemoryStore } from "../src/storage/memory.ts";
import { version } from "../src/version.ts";
import { message } from "../test/compute/lambda/loopback.ts";

const LATENCY_MS = 30;
const [tasks = 8000, inFlight = 1000] = process.argv.slice(2).map(Number);

if (process.send) serve();
else await measure();

/** Answers as a supervisor does whose task returns at once. */
function serve(): void {
  const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { invocation } = JSON.parse(Buffer.concat(chunks).toString()) as InvokePayload;
    setTimeout(() => {
      response.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" });
      response.write(message("PayloadChunk", framesFor(invocation)));
      response.end(message("InvokeComplete", Buffer.from("{}")));
    }, LATENCY_MS);
  });
  server.listen(0, "127.0.0.1", 4096, () => process.send!((server.address() as AddressInfo).port));
}

function framesFor({ attempt, first, count, job, logId }: InvokePayload["invocation"]): Buffer {
  const run = new RunBuilder({ jobNumber: job.number, attempt, first });
  for (let i = 0; i < count; i++) run.add(ENTRY_VALUE, [Buffer.from("x")]);
  const bytes = run.finish()[0]!;
  const location = { log: `worker-${logId}.log`, offsetBytes: 0, lengthBytes: bytes.length };
  const started = { protocol: RELAY_PROTOCOL, kinglet: version, worker: "w", memoryMb: 1769 };
  return Buffer.concat([
    ...encodeFrame(FRAME_STARTED, started),
    ...encodeFrame(FRAME_OUTCOMES, { location, first, count, busyMs: 1 }, bytes),
    ...encodeFrame(FRAME_ENDED, { end: { kind: "ok" }, billedMs: 1 }),
  ]);
}

async function measure(): Promise<void> {
  const server = fork(import.meta.filename, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const port = await new Promise<number>((resolve) =>
    server.once("message", (message) => resolve(message as number)),
  );
  process.env["AWS_ACCESS_KEY_ID"] ??= "AKIDEXAMPLE";
  process.env["AWS_SECRET_ACCESS_KEY"] ??= "secret";
  const storage = { kind: "s3", bucket: "none", prefix: "" } as const;
  const backend = createLambdaBackend({
    aws: {
      region: "eu-west-1",
      endpoint: `http://127.0.0.1:${port}`,
      architecture: "arm64",
      runtime: "nodejs24.x",
      memoryMb: 1769,
      maxMemoryMb: 1769,
      timeoutS: 900,
      ephemeralStorageMb: 512,
      storage,
      read: [],
    },
    location: storage,
    store: openMemoryStore(),
    slots: inFlight,
    maxSlots: inFlight,
    functions: {
      ensure: async ({ memoryMb, copy }) => ({ name: `kinglet-${copy}`, memoryMb, timeoutS: 900 }),
      startFailure: async () => undefined,
    },
    credentials: credentialSource(),
    encodeError: () => new Uint8Array(),
    secrets: () => ({}),
    clock: systemClock,
    random: Math.random,
  });
  const inputs = new RunBuilder({ jobNumber: 0, attempt: 0, first: 0 });
  inputs.add(ENTRY_VALUE, [Buffer.from("item")]);
  const input = Buffer.concat(inputs.finish());
  const { promise, resolve } = Promise.withResolvers<void>();
  const slotOf = new Map<number, string>();
  const latencies: number[] = [];
  const sinceMs = new Map<number, number>();
  let next = 1;
  let done = 0;
  let cpu = process.cpuUsage();
  let beganMs = 0;
  const start = (slot: string) => {
    if (next > tasks) return;
    const attempt = next++;
    slotOf.set(attempt, slot);
    sinceMs.set(attempt, performance.now());
    const job = { journalId: "bench-1", number: 0 };
    const invocation: Invocation = {
      ...{ attempt, slot, job, journalPrefix: "journals/bench-1/", functionKey: "functions/f" },
      ...{ first: 0, count: 1, inputs: input, options: {} },
    };
    backend.start(invocation);
  };
  const offered: string[] = [];
  backend.open({
    offer: (slot) => {
      offered.push(slot);
      if (offered.length < inFlight) return;
      beganMs = performance.now();
      cpu = process.cpuUsage();
      for (const one of offered) start(one);
    },
    withdrawn: () => {},
    progressed: () => {},
    ended: (attempt, end) => {
      if (end.kind !== "ok") throw new Error(JSON.stringify(end));
      latencies.push(performance.now() - sinceMs.get(attempt)!);
      done += 1;
      start(slotOf.get(attempt)!);
      if (done === tasks) resolve();
    },
    console: () => {},
    request: () => {},
  });
  backend.scale(inFlight);
  const keepAlive = setInterval(() => {}, 1000);
  await promise;
  clearInterval(keepAlive);
  const wallMs = performance.now() - beganMs;
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  console.log(
    `${tasks} invokes, ${inFlight} in flight: ${((tasks / wallMs) * 1000).toFixed(0)}/s, ` +
      `driver CPU ${((user + system) / 1000 / tasks).toFixed(3)} ms each, ` +
      `latency p50 ${latencies[tasks >> 1]!.toFixed(0)} ms, p99 ${latencies[Math.floor(tasks * 0.99)]!.toFixed(0)} ms`,
  );
  await backend.close();
  server.kill();
}
