import { report, sampleArgument } from "./fresh-process.ts";
import { medianOf } from "./statistics.ts";

const TRIPS = 5;

/** Random enough that nothing on the way can compress it; the same on every run. */
function makeArray(sizeMib: number): Float64Array {
  return Float64Array.from({ length: (sizeMib << 20) / 8 }, (_, i) => Math.sin(i) * 1e6);
}

/** Times `trip` (one to warm up, then the median of five), checks what comes back, and reports it. */
export async function measureRoundTrips(
  trip: (array: Float64Array, index: number) => Promise<Float64Array>,
): Promise<void> {
  const array = makeArray(sampleArgument<{ sizeMib: number }>().sizeMib);
  const timesMs: number[] = [];
  for (let i = 0; i <= TRIPS; i++) {
    array[0] = i;
    const startedAtMs = performance.now();
    const back = await trip(array, i);
    timesMs.push(performance.now() - startedAtMs);
    if (Buffer.compare(bytesOf(back), bytesOf(array)) !== 0) throw new Error("what came back differs");
  }
  report({ firstTripMs: timesMs[0]!, roundTripMs: medianOf(timesMs.slice(1)) });
}

export const bytesOf = (array: Float64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
