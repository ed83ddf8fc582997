// Entry of a worker process in the built package, in place of worker-main.ts.
import { keepCompiledScripts, loadScript } from "../../built-scripts.ts";

const { runWorker } = loadScript("worker-code") as typeof import("./worker.ts");
// Before the first answer: with that the driver may end this process. It takes time once for all processes.
await runWorker(keepCompiledScripts);
