/** A web as it is made up again wherever it is needed: pages link to any others, to those of small numbers far more often. */
export interface Links {
  /** Links of page `first + i`: `targets[offsets[i] … offsets[i + 1])`. */
  readonly offsets: Uint32Array;
  readonly targets: Uint32Array;
}

const MOST_LINKS = 15;
export const DAMPING = 0.85;

/** The links of pages from `first` up to `end`, of `count` in all: 8 each, on average. */
export function linksOf(first: number, end: number, count: number): Links {
  const offsets = new Uint32Array(end - first + 1);
  for (let page = first; page < end; page++) {
    offsets[page - first + 1] = offsets[page - first]! + 1 + (hash(page) % MOST_LINKS);
  }
  const targets = new Uint32Array(offsets.at(-1)!);
  for (let page = first; page < end; page++) {
    for (let i = offsets[page - first]!; i < offsets[page - first + 1]!; i++) {
      const random = hash(page * 31 + i - offsets[page - first]! + 1) / 2 ** 32;
      targets[i] = Math.floor(random * random * count);
    }
  }
  return { offsets, targets };
}

/** 32 bits of a number, mixed (murmur3's finalizer). */
function hash(n: number): number {
  let h = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The peer: all in typed arrays, one thread. */
export function rankAlone(count: number, supersteps: number): Float64Array {
  const { offsets, targets } = linksOf(0, count, count);
  let ranks = new Float64Array(count).fill(1 / count);
  let next = new Float64Array(count);
  for (let step = 1; step < supersteps; step++) {
    next.fill((1 - DAMPING) / count);
    for (let page = 0; page < count; page++) {
      const end = offsets[page + 1]!;
      const share = (DAMPING * ranks[page]!) / (end - offsets[page]!);
      for (let i = offsets[page]!; i < end; i++) next[targets[i]!]! += share;
    }
    [ranks, next] = [next, ranks];
  }
  return ranks;
}

/** As one would write it first: a map of objects. */
export function rankByMap(count: number, supersteps: number): Float64Array {
  const { offsets, targets } = linksOf(0, count, count);
  const pages = new Map<number, { rank: number; readonly links: number[] }>();
  for (let id = 0; id < count; id++) {
    pages.set(id, { rank: 1 / count, links: [...targets.subarray(offsets[id]!, offsets[id + 1]!)] });
  }
  for (let step = 1; step < supersteps; step++) {
    const sums = new Map<number, number>();
    for (const { rank, links } of pages.values()) {
      for (const to of links) sums.set(to, (sums.get(to) ?? 0) + (DAMPING * rank) / links.length);
    }
    for (const [id, page] of pages) page.rank = (1 - DAMPING) / count + (sums.get(id) ?? 0);
  }
  return Float64Array.from([...pages.values()].map(({ rank }) => rank));
}
