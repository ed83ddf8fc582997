// A process of put-race.ts: node put-racer.ts <module> <argument> <number> <key...>
import type { ObjectStore } from "../../src/storage/contract.ts";

const [url, argument, number, ...keys] = process.argv.slice(2);
const { openStore } = (await import(url!)) as {
  openStore: (argument: string) => ObjectStore | Promise<ObjectStore>;
};
const store = await openStore(argument!);
const body = new Uint8Array(100_000).fill(Number(number));

process.once("message", async () => {
  const won: string[] = [];
  for (const [i, key] of keys.entries()) {
    // Small and big bodies: a store may write them in different ways.
    const { created } = await store.put(key, i % 2 ? body : body.subarray(0, 100), { ifAbsent: true });
    if (created) won.push(key);
  }
  process.send!(won, () => process.disconnect());
});
process.send!("ready");
