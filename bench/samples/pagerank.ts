import { openPool, type Pool } from "kinglet";
import { bsp } from "kinglet/dataflow";
import { report, sampleArgument } from "../lib/fresh-process.ts";
import { processorTimeMs } from "../lib/processor-time.ts";
import { DAMPING, linksOf, rankAlone, rankByMap } from "../pagerank/web.ts";

const { way, count, supersteps, workers } = sampleArgument<{
  way: "arrays" | "map" | "vertices" | "blocks";
  count: number;
  supersteps: number;
  workers: number;
}>();
const partitions = 2 * workers;
/** Pages of block p begin at `beginOf(p)`. */
const beginOf = (block: number) => Math.floor((block * count) / partitions);

const pool = openPool({ concurrency: workers, logs: false });
if (way === "vertices" || way === "blocks")
  await pool.map((n) => n, [...Array(partitions).keys()], { batch: 1 });
const startedCpuMs = await processorTimeMs(pool, workers);
const startedAtMs = performance.now();
const ranks = await ranked(pool);
const ms = performance.now() - startedAtMs;
const cpuMs = (await processorTimeMs(pool, workers)) - startedCpuMs;
await pool.close();
const expected = rankAlone(count, supersteps);
if (!ranks.every((rank, page) => Math.abs(rank - expected[page]!) < 1e-12))
  throw new Error(`${way}: wrong ranks`);
report({ ms, cpuMs });

async function ranked(pool: Pool): Promise<Float64Array> {
  if (way === "arrays") return rankAlone(count, supersteps);
  if (way === "map") return rankByMap(count, supersteps);
  return way === "vertices" ? byVertices(pool) : byBlocks(pool);
}

async function byVertices(pool: Pool): Promise<Float64Array> {
  const { vertices } = await bsp(pool, [...Array(partitions).keys()], {
    *vertices(block) {
      const first = beginOf(block);
      const { offsets, targets } = linksOf(first, beginOf(block + 1), count);
      for (let i = 0; i + 1 < offsets.length; i++) {
        yield [first + i, 1 / count, [...targets.subarray(offsets[i], offsets[i + 1])]];
      }
    },
    compute(page, shares: readonly number[]) {
      if (page.superstep > 0) page.state = (1 - DAMPING) / count + (shares[0] ?? 0);
      if (page.superstep === supersteps - 1) return;
      const share = (DAMPING * page.state) / page.edges.length;
      for (const to of page.edges) page.send(to, share);
    },
    combine: (a, b) => a + b,
    maxSupersteps: supersteps,
    partitions,
    itemsPerTask: 1,
  });
  const ranks = new Float64Array(count);
  for (const [page, rank] of vertices) ranks[page] = rank;
  return ranks;
}

async function byBlocks(pool: Pool): Promise<Float64Array> {
  const { vertices } = await bsp(pool, [...Array(partitions).keys()], {
    vertices: (block) => {
      const [first, end] = [beginOf(block), beginOf(block + 1)];
      return [[block, new Float64Array(end - first).fill(1 / count), linksOf(first, end, count)]];
    },
    compute(block, sums: readonly Float64Array[]) {
      const ranks = block.state;
      if (block.superstep > 0) {
        ranks.fill((1 - DAMPING) / count);
        for (const sum of sums) for (let i = 0; i < ranks.length; i++) ranks[i]! += sum[i]!;
      }
      if (block.superstep === supersteps - 1) return;
      const { offsets, targets } = block.edges;
      const all = new Float64Array(count);
      for (let i = 0; i < ranks.length; i++) {
        const share = (DAMPING * ranks[i]!) / (offsets[i + 1]! - offsets[i]!);
        for (let link = offsets[i]!; link < offsets[i + 1]!; link++) all[targets[link]!]! += share;
      }
      for (let to = 0; to < partitions; to++) block.send(to, all.slice(beginOf(to), beginOf(to + 1)));
    },
    maxSupersteps: supersteps,
    partitions,
    partition: (block) => block,
    itemsPerTask: 1,
    compression: "none",
  });
  const ranks = new Float64Array(count);
  for (const [block, own] of vertices) ranks.set(own, beginOf(block));
  return ranks;
}
