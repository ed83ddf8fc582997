import { binaryKindOf, decodeBytes, encodeBytes } from "./bytes.ts";
import type { Codec, GraphLane } from "./contract.ts";
import {
  damagedValue,
  FIRST_BYTE,
  LANE_BYTES,
  LANE_GRAPH,
  LANE_HEADER_BYTES,
  LANE_PLAIN,
  tagOf,
} from "./header.ts";
import { decodePlain, encodePlain } from "./plain.ts";
import { encodeLongText } from "./primitive.ts";
import { isPlainData } from "./scan.ts";
import { decodeSmall, encodeSmall } from "./tree.ts";

/**
 * The codec: values ↔ bytes, by the quickest lane that brings the value back exactly. Primitives and small trees of
 * plain data take about 0.2 and 1 µs, other plain data less than twice v8.serialize's time, one typed array or Buffer no
 * copy at all; whatever is not plain is for `graph`.
 *
 * - Typed arrays and Buffers travel as the bytes that they view. Decoded ones above 64 KiB are views of the given bytes,
 *   at an offset in their `buffer`: give each `decode` bytes of its own, or expect both values to change together.
 * - The chunks of `encode` may be views of the value's own memory: write them before the value changes.
 * - A slice of Node's pool of small Buffers shares memory with its neighbours by accident; that is not kept.
 *
 * @param graph the lane for errors, class instances, functions and all else
 * @example
 * const codec = createCodec(driverGraphLane());
 * const chunks = codec.encode({ rows: [1, 2] }, "item");
 * const value = await codec.decode(Buffer.concat(chunks));
 */
export function createCodec(graph: GraphLane): Codec {
  return {
    encode(value, rootName) {
      const small = encodeSmall(value);
      if (small !== undefined) return [small];
      if (typeof value === "string") return [encodeLongText(FIRST_BYTE, value)];
      const kind = typeof value === "object" && value !== null ? binaryKindOf(value) : undefined;
      if (kind !== undefined) return encodeBytes(value as object, kind);
      const plain = isPlainData(value) ? tryPlain(value) : undefined;
      return plain ?? [graphHeader(), graph.encode(value, rootName)];
    },

    decode(bytes) {
      const tag = tagOf(bytes);
      if (tag < LANE_BYTES) return decodeSmall(bytes, tag);
      switch (tag) {
        case LANE_BYTES:
          return decodeBytes(bytes);
        case LANE_PLAIN:
          return decodePlain(bytes);
        case LANE_GRAPH:
          return graph.decode(bytes.subarray(LANE_HEADER_BYTES));
        default:
          throw damagedValue(`its lane 0x${tag.toString(16)} is unknown`);
      }
    },
  };
}

/** What V8 refuses after all goes to the graph lane, which says where it is. */
function tryPlain(value: unknown): Uint8Array[] | undefined {
  try {
    return encodePlain(value);
  } catch {
    return undefined;
  }
}

function graphHeader(): Uint8Array {
  return new Uint8Array([FIRST_BYTE, LANE_GRAPH, 0, 0, 0, 0, 0, 0]);
}
