import { Piscina } from "piscina";
import { measureRoundTrips } from "../lib/round-trips.ts";

const filename = new URL("../subjects/echo.mjs", import.meta.url).href;
const piscina = new Piscina({ filename, minThreads: 1, maxThreads: 1 });
await measureRoundTrips((array) => piscina.run(array));
await piscina.destroy();
