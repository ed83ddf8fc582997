import type { Figures } from "../lib/benchmark.ts";
import { report, sampleArgument, sampleFolder } from "../lib/fresh-process.ts";
import { medianOf } from "../lib/statistics.ts";
import { openDisk } from "../roundtrip/disk.ts";
import { openKinglet } from "../roundtrip/kinglet.ts";
import { openPipe } from "../roundtrip/pipe.ts";
import { openPiscina } from "../roundtrip/piscina.ts";
import { bytesOf, type Way } from "../roundtrip/way.ts";

const TRIPS = 5;
const sizeBytes = sampleArgument<{ sizeMib: number }>().sizeMib << 20;
// Nothing that a compressor or the disk could shorten; the same on every run.
const array = Float64Array.from({ length: sizeBytes / 8 }, (_, i) => Math.sin(i) * 1e6);

// The ways take turns, trip by trip: how fast the disk takes data depends on what was written just before.
const ways: Record<string, Way> = {
  kinglet: openKinglet(),
  "disk alone": openDisk(sampleFolder()),
  "pipe alone": openPipe(sizeBytes),
  piscina: openPiscina(),
};
const timesMs = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
for (let i = 0; i <= TRIPS; i++) {
  for (const [name, way] of Object.entries(ways)) {
    array[0] = i;
    const startedAtMs = performance.now();
    const back = await way.trip(array);
    // The first trip warms up.
    if (i > 0) timesMs.get(name)!.push(performance.now() - startedAtMs);
    if (Buffer.compare(bytesOf(back), bytesOf(array)) !== 0)
      throw new Error(`${name}: what came back differs`);
  }
}
for (const way of Object.values(ways)) await way.close();

const figures: Figures = {};
for (const [name, times] of timesMs) figures[name] = medianOf(times);
report(figures);
