/** What a shuffle is to do. */
export interface ShuffleSize {
  /** Tasks that write pairs, M. */
  readonly mappers: number;
  /** Partitions, R. */
  readonly reducers: number;
  /** Bytes of all pairs, as they are stored. */
  readonly bytes: number;
}

/** How a shuffle goes, and what it asks of the store. */
export interface ShufflePlan {
  /** 1: reducers read from each mapper's object. 2: merging tasks stand between. */
  readonly levels: 1 | 2;
  /** With two levels: how many mappers' objects, and how many partitions of them, a merging task takes. */
  readonly mappersPerMerge: number;
  readonly partitionsPerMerge: number;
  readonly merges: number;
  /** Intermediate objects, each of one put (or one multipart upload). */
  readonly puts: number;
  /** Range reads, none longer than `readBytes`. */
  readonly gets: number;
  /** Written to the store and read from it, together. */
  readonly movedBytes: number;
}

/** The longest range of one get, in bytes. */
export const READ_BYTES = 4 * 1024 * 1024;
/** More runs than these aren't merged at once: each needs memory for a chunk. */
export const MAX_RUNS = 1024;
/** Fewer reads than these aren't worth a second level. */
const FEW_READS = 10_000;
/** What a request costs a worker, and what it moves in a millisecond: 40 MB/s (SoCC 2017, §3.1). */
export const REQUEST_MS = 20;
export const BYTES_PER_MS = 40_000;

/**
 * The plan of a shuffle. One level: M puts, M × R gets. Two levels of groups of a = ⌈√M⌉ mappers and b = ⌈√R⌉ partitions:
 * M + ⌈M/a⌉⌈R/b⌉ puts, M⌈R/b⌉ + ⌈M/a⌉R gets, and all bytes written and read once more. The cheaper one is taken, by the time
 * that requests and bytes take; two levels in any case for more than 1,024 mappers. Objects grow with M + R, never with M × R.
 *
 * @example shufflePlan({ mappers: 2500, reducers: 2500, bytes: 1e12 }); // { levels: 2, puts: 5000, gets: 500000, … }
 */
export function shufflePlan(size: ShuffleSize): ShufflePlan {
  const one = planOf(size, 1);
  const two = planOf(size, 2);
  if (size.mappers > MAX_RUNS) return two;
  if (one.gets < FEW_READS) return one;
  return costOf(two) < costOf(one) ? two : one;
}

/**
 * As `shufflePlan`, with the number of levels given.
 * @param readBytesOf the longest range of one get where so many runs are merged at once
 */
export function planOf(
  { mappers, reducers, bytes }: ShuffleSize,
  levels: 1 | 2,
  readBytesOf: (runs: number) => number = () => READ_BYTES,
): ShufflePlan {
  if (levels === 1) {
    const gets = readsOf(mappers * reducers, bytes, readBytesOf(mappers));
    const none = { mappersPerMerge: 0, partitionsPerMerge: 0, merges: 0 };
    return { levels, ...none, puts: mappers, gets, movedBytes: 2 * bytes };
  }
  const mappersPerMerge = Math.ceil(Math.sqrt(mappers));
  const partitionsPerMerge = Math.ceil(Math.sqrt(reducers));
  const rows = Math.ceil(mappers / mappersPerMerge);
  const columns = Math.ceil(reducers / partitionsPerMerge);
  return {
    levels,
    mappersPerMerge,
    partitionsPerMerge,
    merges: rows * columns,
    puts: mappers + rows * columns,
    gets:
      readsOf(mappers * columns, bytes, readBytesOf(mappersPerMerge)) +
      readsOf(rows * reducers, bytes, readBytesOf(rows)),
    movedBytes: 4 * bytes,
  };
}

/** Reads of as many ranges of the same length. */
export const readsOf = (ranges: number, bytes: number, readBytes = READ_BYTES): number =>
  ranges * Math.max(1, Math.ceil(bytes / Math.max(1, ranges) / readBytes));

const costOf = ({ puts, gets, movedBytes }: ShufflePlan): number =>
  (puts + gets) * REQUEST_MS * BYTES_PER_MS + movedBytes;
