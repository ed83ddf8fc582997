import { openPool } from "kinglet";
import type { Way } from "./way.ts";

export function openKinglet(): Way {
  const pool = openPool({ concurrency: 1 });
  return { trip: (array) => pool.run((x) => x, array), close: () => pool.close() };
}
