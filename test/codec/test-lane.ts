import { createCodec } from "../../src/codec/codec.ts";
import type { Codec, GraphLane } from "../../src/codec/contract.ts";
import { join } from "../../src/storage/bodies.ts";

export type LaneName = "small" | "bytes" | "plain" | "graph";

/** A graph lane that keeps the values in memory and sends their numbers. */
export function keepingLane(): GraphLane {
  const kept: unknown[] = [];
  return {
    encode: (value) => Buffer.from(String(kept.push(value) - 1)),
    decode: (bytes) => kept[Number(Buffer.from(bytes).toString())],
  };
}

/** A codec whose graph lane refuses everything: for values that must not need it. */
export function plainCodec(): Codec {
  const refuse = (): never => {
    throw new Error("the graph lane was asked");
  };
  return createCodec({ encode: refuse, decode: refuse });
}

export function laneOf(chunks: readonly Uint8Array[]): LaneName {
  const tag = chunks[0]![1]!;
  return ({ 224: "bytes", 225: "plain", 226: "graph" } as const)[tag] ?? "small";
}

/** The value after a way through bytes, at an offset of choice. */
export function throughBytes(codec: Codec, value: unknown, offsetBytes = 0): unknown {
  const encoded = join([new Uint8Array(offsetBytes), ...codec.encode(value, "value")]);
  return codec.decode(encoded.subarray(offsetBytes));
}
