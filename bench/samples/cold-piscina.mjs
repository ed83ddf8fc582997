import { Piscina } from "piscina";

const { workers } = JSON.parse(process.argv[2]);
const filename = new URL("./cold-worker.mjs", import.meta.url).href;
const piscina = new Piscina({ filename, minThreads: workers, maxThreads: workers });
console.log(await piscina.run(41));
await piscina.destroy();
