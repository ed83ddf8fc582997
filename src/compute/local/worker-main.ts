// Entry of a worker process. Only turns on the compile cache, which must come before what is to be cached loads:
// later processes start some 30 ms earlier.
import module from "node:module";

module.enableCompileCache?.();
const { runWorker } = await import("./worker.ts");
await runWorker();
