import { openPool } from "kinglet";
import { measureRoundTrips } from "../lib/round-trips.ts";

const pool = openPool({ concurrency: 1 });
await measureRoundTrips((array) => pool.run((x) => x, array));
await pool.close();
