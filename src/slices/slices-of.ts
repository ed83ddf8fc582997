import { UsageError } from "../errors.ts";
import { collect } from "./cut.ts";
import type { CutRule } from "./options.ts";
import { PoolSlice } from "./pool-slice.ts";
import { isGzip, MAGIC_BYTES } from "./read-slice.ts";
import { openSource, type SliceSource } from "./source.ts";

/** The slices of a file, of about the same size; none of an empty one. */
export async function* slicesOf(
  source: SliceSource,
  rule: CutRule,
): AsyncGenerator<PoolSlice, void, undefined> {
  const { sizeBytes } = source;
  const { boundaryHex, recordBytes, decompress } = rule;
  const packed = decompress && (await isPacked(source, rule));
  if (recordBytes > 0 && !packed && sizeBytes % recordBytes !== 0) {
    throw new UsageError(
      "BAD_ARGUMENT",
      `slices: ${source.path} has ${sizeBytes} bytes, no whole number of records of ${recordBytes} bytes`,
      { remedy: "Check recordBytes, and whether the file is whole." },
    );
  }
  const stepBytes = packed ? sizeBytes : evenStep(sizeBytes, rule);
  for (let offsetBytes = 0, index = 0; offsetBytes < sizeBytes; offsetBytes += stepBytes, index++) {
    const endBytes = Math.min(offsetBytes + stepBytes, sizeBytes);
    yield new PoolSlice({ source, index, offsetBytes, endBytes, boundaryHex, recordBytes, decompress });
  }
}

/** A file a little greater than a slice gives two of half its size: none is left over to be waited for. */
function evenStep(sizeBytes: number, { sliceBytes, recordBytes }: CutRule): number {
  const unit = recordBytes || 1;
  const most = Math.floor(sliceBytes / unit) * unit;
  const step = Math.ceil(sizeBytes / Math.ceil(sizeBytes / most));
  return Math.ceil(step / unit) * unit;
}

/** A file of one slice is looked at when it is read: only a bigger one must be known before. */
async function isPacked(source: SliceSource, { sliceBytes }: CutRule): Promise<boolean> {
  if (/\.t?gz$/i.test(source.path)) return true;
  if (source.sizeBytes <= sliceBytes) return false;
  const opened = await openSource(source);
  try {
    return isGzip(await collect(opened.read(0, MAGIC_BYTES)));
  } finally {
    await opened.close();
  }
}
