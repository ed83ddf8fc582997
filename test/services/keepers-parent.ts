// A test run that only starts the keeper of services, and waits to be killed.
import { startKeeper } from "./keeper-process.ts";

await startKeeper(process.argv[2]!);
console.log("ready");
setInterval(() => {}, 60_000);
