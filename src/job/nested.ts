import type { OutcomeRef } from "./entries.ts";
import type { JobKind } from "./records.ts";

/** What a running task asks of its driver (maps inside maps): `header length u32 | header JSON | function | inputs`. */
export interface NestedCall {
  readonly kind: JobKind;
  readonly functionHash: string;
  readonly functionName: string;
  readonly functionLocation: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Lengths of the two parts that follow. */
  readonly functionBytes: number;
  readonly inputBytes: number;
}

/** The answer, as JSON: where the outcomes lie, in order, or what went wrong. Values stay in the store. */
export type NestedAnswer =
  | { readonly ok: true; readonly jobId: string; readonly outcomes: readonly OutcomeRef[] }
  /** `failed`: where the error of the task that ended the job lies. */
  | { readonly ok: false; readonly jobId: string; readonly failed: OutcomeRef }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly remedy?: string };

export function encodeNestedCall(
  call: NestedCall,
  functionBytes: Uint8Array,
  inputs: Uint8Array,
): Uint8Array {
  const header = Buffer.from(JSON.stringify(call));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, functionBytes, inputs]);
}

export function decodeNestedCall(payload: Uint8Array): {
  call: NestedCall;
  fn: Uint8Array;
  inputs: Uint8Array;
} {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const end = 4 + bytes.readUInt32LE(0);
  const call = JSON.parse(bytes.toString("utf8", 4, end)) as NestedCall;
  // Copies: the payload may be a view on a buffer that is used again.
  const fn = Uint8Array.prototype.slice.call(bytes, end, end + call.functionBytes);
  const inputs = Uint8Array.prototype.slice.call(
    bytes,
    end + call.functionBytes,
    end + call.functionBytes + call.inputBytes,
  );
  return { call, fn, inputs };
}

export const encodeNestedAnswer = (answer: NestedAnswer): Uint8Array => Buffer.from(JSON.stringify(answer));
export const decodeNestedAnswer = (payload: Uint8Array): NestedAnswer =>
  JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString()) as NestedAnswer;
