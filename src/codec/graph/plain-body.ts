import { deserialize, serialize } from "node:v8";
import { StoreError } from "../../errors.ts";
import { type PackedColumn, rowsOf, type Table } from "./tables.ts";

/** Versions of V8's own format begin with 0xff. */
const TABLES_VERSION = 1;
const HEADER_BYTES = 8;
const ALIGN_BYTES = 8;

/** What V8 writes where there are tables. */
interface Contents {
  /** `undefined` where a table belongs. */
  readonly roots: readonly unknown[];
  readonly tables: readonly TableHead[];
}

interface TableHead {
  readonly root: number;
  readonly length: number;
  readonly columns: readonly (Omit<PackedColumn, "bytes"> & { readonly sizeBytes: number })[];
}

/**
 * The blob of big plain data: `v8.serialize` of the roots' array. Where some of them are tables: version, three zero bytes,
 * length of V8's part (u32, little-endian), that part (`Contents`), then the columns, each at a multiple of 8.
 *
 * @param tables by number of the root whose rows they are
 * @throws what v8.serialize throws
 */
export function packPlainBody(roots: readonly unknown[], tables: ReadonlyMap<number, Table>): Uint8Array {
  if (tables.size === 0) return serialize(roots);
  const heads: TableHead[] = [...tables].map(([root, { length, columns }]) => ({
    root,
    length,
    columns: columns.map(({ bytes, ...column }) => ({ ...column, sizeBytes: bytes.byteLength })),
  }));
  const others = roots.map((value, root) => (tables.has(root) ? undefined : value));
  const contents = serialize({ roots: others, tables: heads } satisfies Contents);
  const parts = [...tables.values()].flatMap((table) => table.columns.map(({ bytes }) => bytes));
  const sizes = parts.map(({ byteLength }) => aligned(byteLength));
  const start = aligned(HEADER_BYTES + contents.byteLength);
  const body = Buffer.alloc(sizes.reduce((total, size) => total + size, start));
  body[0] = TABLES_VERSION;
  body.writeUInt32LE(contents.byteLength, 4);
  body.set(contents, HEADER_BYTES);
  let at = start;
  parts.forEach((part, index) => {
    body.set(part, at);
    at += sizes[index]!;
  });
  return body;
}

/** The roots, fresh. @throws StoreError STORE_CORRUPT */
export function unpackPlainBody(body: Uint8Array): unknown[] {
  try {
    return unpack(body);
  } catch (cause) {
    throw new StoreError("STORE_CORRUPT", "a stored value is damaged: its plain data can't be read", {
      cause,
    });
  }
}

function unpack(body: Uint8Array): unknown[] {
  if (body[0] !== TABLES_VERSION) return deserialize(body) as unknown[];
  const contentsBytes = new DataView(body.buffer, body.byteOffset).getUint32(4, true);
  const end = HEADER_BYTES + contentsBytes;
  if (end > body.byteLength) throw new RangeError("its tables are cut short");
  const { roots, tables } = deserialize(body.subarray(HEADER_BYTES, end)) as Contents;
  const result = [...roots];
  let at = aligned(end);
  for (const { root, length, columns } of tables) {
    const packed = columns.map(({ sizeBytes, ...column }) => {
      const bytes = body.subarray(at, at + sizeBytes);
      if (bytes.byteLength !== sizeBytes) throw new RangeError("a column is cut short");
      at += aligned(sizeBytes);
      return { ...column, bytes };
    });
    result[root] = rowsOf({ length, columns: packed });
  }
  return result;
}

const aligned = (offset: number): number => Math.ceil(offset / ALIGN_BYTES) * ALIGN_BYTES;
