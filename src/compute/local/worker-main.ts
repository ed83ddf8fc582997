// Entry of a worker process. Only turns on the compile cache, which must come before what is to be cached loads.
import { cacheCompiledCode } from "../../compile-cache.ts";

cacheCompiledCode();
const { runWorker } = await import("./worker.ts");
await runWorker();
