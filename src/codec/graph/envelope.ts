import { deserialize, serialize } from "node:v8";
import { StoreError } from "../../errors.ts";
import type { GraphTable } from "./nodes.ts";

/** Version of the graph's bytes. Readers refuse a greater one. */
export const GRAPH_VERSION = 1;

const HEADER_BYTES = 8;
const ALIGN_BYTES = 8;

/** A graph's table with its binary bodies: memory of typed arrays, the plain blob, attached graphs. */
export interface Graph {
  readonly table: GraphTable;
  readonly bodies: readonly Uint8Array[];
}

/**
 * Lays a graph out as bytes: version, three zero bytes, length of the table (u32, little-endian), the table
 * (`v8.serialize` of plain arrays and strings only), then the bodies, each at a multiple of 8.
 */
export function packGraph(graph: Graph): Uint8Array {
  const sizes = graph.bodies.map((body) => body.byteLength);
  const table = serialize([graph.table, sizes]);
  let total = aligned(HEADER_BYTES + table.byteLength);
  for (const size of sizes) total += aligned(size);
  // `bytes` lies at offset 0 of a memory of its own, so that bodies are aligned for typed arrays.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(total).buffer);
  bytes.fill(0, 0, HEADER_BYTES);
  bytes[0] = GRAPH_VERSION;
  new DataView(bytes.buffer).setUint32(4, table.byteLength, true);
  let offset = 0;
  const append = (part: Uint8Array, at: number): void => {
    bytes.set(part, at);
    offset = aligned(at + part.byteLength);
    bytes.fill(0, at + part.byteLength, offset);
  };
  append(table, HEADER_BYTES);
  for (const body of graph.bodies) append(body, offset);
  return bytes;
}

/**
 * Reads what `packGraph` wrote. Bodies are views of `bytes`, not copies.
 *
 * @throws StoreError STORE_VERSION if a newer Kinglet wrote it, STORE_CORRUPT if it is damaged
 */
export function unpackGraph(bytes: Uint8Array): Graph {
  const version = bytes[0];
  if (version !== undefined && version > GRAPH_VERSION) {
    throw new StoreError(
      "STORE_VERSION",
      `a stored value has format ${version}; this Kinglet reads up to ${GRAPH_VERSION}`,
      { remedy: "Update Kinglet here to the version that wrote it." },
    );
  }
  try {
    if (version !== GRAPH_VERSION || bytes.byteLength < HEADER_BYTES) throw new Error("bad header");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const tableBytes = view.getUint32(4, true);
    const tableEnd = HEADER_BYTES + tableBytes;
    if (tableEnd > bytes.byteLength) throw new Error("cut short");
    const [table, sizes] = deserialize(bytes.subarray(HEADER_BYTES, tableEnd)) as [GraphTable, number[]];
    const bodies: Uint8Array[] = [];
    let offset = aligned(tableEnd);
    for (const size of sizes) {
      if (offset + size > bytes.byteLength) throw new Error("cut short");
      bodies.push(bytes.subarray(offset, offset + size));
      offset += aligned(size);
    }
    return { table, bodies };
  } catch (cause) {
    throw new StoreError("STORE_CORRUPT", "a stored value is damaged: its graph can't be read", { cause });
  }
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGN_BYTES) * ALIGN_BYTES;
}
