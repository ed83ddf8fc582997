import { UsageError } from "../errors.ts";
import { boolean, checkOptions, integer, type Rule } from "../options.ts";

/** How `pool.slices` cuts files. */
export interface SliceOptions {
  /** The greatest size of a slice in bytes, 1…2⁴⁰, default 64 MiB. Records count where they begin. */
  sliceBytes?: number;
  /**
   * What each record ends with: a string, as UTF-8, or bytes; 1 to 1,024 of them. Default "\n". `null`: slices may begin
   * and end at any byte.
   */
  boundary?: string | Uint8Array | null;
  /** The size of each record in bytes, in place of a boundary: 1…2³⁰. Slices are whole numbers of records. */
  recordBytes?: number;
  /** Unpack gzip files, each of which is one slice. Default true. */
  decompress?: boolean;
}

/** Checked, with the defaults, as plain data. */
export interface CutRule {
  readonly sliceBytes: number;
  readonly boundaryHex: string;
  readonly recordBytes: number;
  readonly decompress: boolean;
}

const DEFAULT_SLICE_BYTES = 64 * 1024 * 1024;
const MAX_SLICE_BYTES = 2 ** 40;
const MAX_RECORD_BYTES = 2 ** 30;
const MAX_BOUNDARY_BYTES = 1024;

const bytesOf = (boundary: unknown): Uint8Array | undefined => {
  if (typeof boundary === "string") return Buffer.from(boundary, "utf8");
  return boundary instanceof Uint8Array ? boundary : undefined;
};

const RULES: Record<keyof SliceOptions, Rule> = {
  sliceBytes: integer(1, MAX_SLICE_BYTES),
  boundary: {
    check: (value) => {
      const length = bytesOf(value)?.length ?? 0;
      return value === null || (length >= 1 && length <= MAX_BOUNDARY_BYTES);
    },
    expected: "a string or bytes, 1 to 1,024 of them, or null",
  },
  recordBytes: integer(1, MAX_RECORD_BYTES),
  decompress: boolean,
};

/** @throws UsageError BAD_OPTION, UNKNOWN_OPTION, BAD_ARGUMENT */
export function cutRuleOf(options: SliceOptions | undefined): CutRule {
  const given = checkOptions(options, RULES, "slices") as SliceOptions;
  const sliceBytes = given.sliceBytes ?? DEFAULT_SLICE_BYTES;
  const recordBytes = given.recordBytes ?? 0;
  if (recordBytes > 0 && typeof given.boundary !== "undefined" && given.boundary !== null) {
    throw badOption(
      "boundary",
      "slices: options boundary and recordBytes are both given",
      "Give one of them.",
    );
  }
  if (recordBytes > sliceBytes) {
    throw badOption(
      "sliceBytes",
      `slices: option sliceBytes is ${sliceBytes}, less than a record of ${recordBytes} bytes`,
      `Set sliceBytes to ${recordBytes} or more, or leave it out.`,
    );
  }
  const boundary =
    recordBytes > 0 ? undefined : bytesOf(given.boundary === undefined ? "\n" : given.boundary);
  const boundaryHex = boundary ? Buffer.from(boundary).toString("hex") : "";
  return { sliceBytes, boundaryHex, recordBytes, decompress: given.decompress ?? true };
}

const badOption = (option: string, message: string, remedy: string): UsageError =>
  new UsageError("BAD_OPTION", message, { remedy, details: { option } });
