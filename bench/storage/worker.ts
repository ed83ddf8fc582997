// A worker of the storage benchmark: does what it is ordered, and says how long that took.
import { randomBytes } from "node:crypto";
import { openClient } from "./client.ts";
import type { Answer, Order, Step, WorkerSetup } from "./step.ts";

const setup = JSON.parse(process.argv[2]!) as WorkerSetup;
const client = await openClient(setup.client, setup.place);
/** By size. Nothing that anything on the way could shorten. */
const bodies = new Map<number, Uint8Array>();
let keys: string[] = [];
let step: Step | undefined;

const keysOf = ({ sizeBytes, objects }: Step): string[] =>
  Array.from({ length: objects }, (_, i) => `${sizeBytes}/${setup.worker}/${i}`);

async function getReady(next: Step): Promise<void> {
  step = next;
  keys = keysOf(next);
  if (!bodies.has(next.sizeBytes)) bodies.set(next.sizeBytes, randomBytes(next.sizeBytes));
  await client.prepare?.(next.operation, keys);
}

async function go({ operation, sizeBytes, inFlight }: Step): Promise<void> {
  let next = 0;
  const body = bodies.get(sizeBytes)!;
  const runOne = async () => {
    while (next < keys.length) {
      const key = keys[next++]!;
      if (operation === "put") await client.put(key, body);
      else {
        const gotBytes = await client.get(key);
        if (gotBytes !== sizeBytes) throw new Error(`${setup.client}: ${key} has ${gotBytes} bytes`);
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, runOne));
}

const nowMs = () => performance.timeOrigin + performance.now();

async function obey(order: Order): Promise<Answer> {
  const startedAtMs = nowMs();
  const cpuBefore = process.cpuUsage();
  if ("ready" in order) await getReady(order.ready);
  else if ("remove" in order) await client.delete(keysOf(order.remove));
  else await go(step!);
  const { user, system } = process.cpuUsage(cpuBefore);
  return { startedAtMs, endedAtMs: nowMs(), cpuMs: (user + system) / 1000 };
}

process.on("message", async (order: Order) => process.send!(await obey(order)));
process.on("disconnect", async () => {
  await client.close();
  process.exit();
});
process.send!("open");
