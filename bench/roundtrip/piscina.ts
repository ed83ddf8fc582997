import { Piscina } from "piscina";
import type { Way } from "./way.ts";

export function openPiscina(): Way {
  const filename = new URL("../subjects/echo.mjs", import.meta.url).href;
  const piscina = new Piscina({ filename, minThreads: 1, maxThreads: 1 });
  return { trip: (array) => piscina.run(array), close: () => piscina.destroy() };
}
