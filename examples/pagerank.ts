/**
 * Ranks the pages of a web by their links (PageRank): a page is worth what the pages that link to it are worth, shared among
 * their links.
 *
 * Shows: `bsp` with a combiner, an aggregator that says when ranks have settled, and a name: run it again after Ctrl-C and it
 * goes on at the last superstep. Checks itself against a plain loop; a rank that differs is exit code 1.
 *
 *   npx kinglet run examples/pagerank.ts
 *   node examples/pagerank.ts --pages 200000 --partitions 8
 */
import { parseArgs } from "node:util";
import { openPool } from "kinglet";
import { bsp } from "kinglet/dataflow";

const { values: flags } = parseArgs({
  options: { pages: { type: "string", default: "20000" }, partitions: { type: "string", default: "4" } },
});
const count = Number(flags.pages);
const DAMPING = 0.85;
const SETTLED = 1e-6;

interface Page {
  readonly id: number;
  readonly links: number[];
}

/** Pages link to any others, and to popular ones more often: what is linked to is linked to again. */
function madeUpWeb(): Page[] {
  let state = 1;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const linked = [0];
  const pages: Page[] = [{ id: 0, links: [1 % count] }];
  for (let id = 1; id < count; id++) {
    const links = Array.from({ length: 1 + below(12) }, () =>
      below(2) === 0 ? below(count) : linked[below(linked.length)]!,
    );
    pages.push({ id, links });
    linked.push(...links);
  }
  return pages;
}

function plainRanks(pages: readonly Page[], supersteps: number): Float64Array {
  let ranks = new Float64Array(count).fill(1 / count);
  for (let step = 1; step < supersteps; step++) {
    const next = new Float64Array(count).fill((1 - DAMPING) / count);
    for (const { id, links } of pages) {
      for (const to of links) next[to]! += (DAMPING * ranks[id]!) / links.length;
    }
    ranks = next;
  }
  return ranks;
}

const pages = madeUpWeb();
const pool = openPool();
try {
  const { vertices, supersteps, ended } = await bsp(pool, pages, {
    vertices: ({ id, links }) => [[id, 1 / count, links]],
    compute(page, shares: readonly number[]) {
      if (page.superstep > 0) {
        const rank = shares.reduce((sum, share) => sum + share, (1 - DAMPING) / page.count);
        page.aggregate("change", Math.abs(rank - page.state));
        page.state = rank;
      }
      const share = (DAMPING * page.state) / page.edges.length;
      for (const to of page.edges) page.send(to, share);
    },
    combine: (a, b) => a + b,
    aggregators: { change: { initial: 1, reduce: (a, b) => a + b } },
    until: ({ change }) => change < SETTLED,
    maxSupersteps: 100,
    partitions: Number(flags.partitions),
    name: "pagerank",
  });
  console.log(`${vertices.length} pages, ${supersteps} supersteps, ended: ${ended}`);
  const best = vertices.toSorted(([, a], [, b]) => b - a).slice(0, 5);
  for (const [id, rank] of best) console.log(`page ${id}`.padEnd(12), rank.toFixed(6));
  const expected = plainRanks(pages, supersteps);
  const off = Math.max(...vertices.map(([id, rank]) => Math.abs(rank - expected[id]!)));
  const isRight = vertices.length === count && off < 1e-12;
  console.log(isRight ? "check: the same as a plain loop" : `check: FAILED, off by ${off}`);
  process.exitCode = isRight ? 0 : 1;
} finally {
  await pool.close();
}
