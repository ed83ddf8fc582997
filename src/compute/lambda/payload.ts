import type { StoreLocation } from "../../storage/locate.ts";
import { version } from "../../version.ts";
import type { Invocation } from "../contract.ts";
import { RELAY_PROTOCOL } from "../relay/protocol.ts";

/** What an invoke brings to the function: JSON. It travels by TLS and is stored nowhere. */
export interface InvokePayload {
  readonly protocol: number;
  /** Version of the driver's Kinglet. */
  readonly kinglet: string;
  readonly store: StoreLocation;
  readonly invocation: Omit<Invocation, "inputs" | "slot"> & { readonly logId: string };
  /** The packed inputs, base64; or `inputsKey`. */
  readonly inputs?: string;
  /** Their key in the store, where they are too long for the payload. */
  readonly inputsKey?: string;
  /** Values of `secret(…)`, by name. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/** Lambda takes 6 MiB. Source: AWS Lambda Developer Guide, "Lambda quotas". */
const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;
/** Of inputs that travel in the payload: base64 makes them a third longer. */
const MAX_INPUTS_BYTES = 4 * 1024 * 1024;

export interface PayloadParts {
  readonly store: StoreLocation;
  readonly invocation: Invocation & { readonly logId: string };
  readonly secrets: Readonly<Record<string, string>>;
  /** Stores inputs that are too long; gives their key. */
  readonly putInputs: (inputs: Uint8Array) => Promise<string>;
}

/** @throws StoreError where long inputs can't be stored; RangeError where everything else alone is too long */
export async function encodePayload({
  store,
  invocation,
  secrets,
  putInputs,
}: PayloadParts): Promise<Buffer> {
  const { inputs, slot: _slot, ...rest } = invocation;
  const same = { protocol: RELAY_PROTOCOL, kinglet: version, store, invocation: rest, secrets };
  if (inputs.length <= MAX_INPUTS_BYTES) {
    const text = Buffer.from(inputs.buffer, inputs.byteOffset, inputs.byteLength).toString("base64");
    const payload = Buffer.from(JSON.stringify({ ...same, inputs: text } satisfies InvokePayload));
    if (payload.length <= MAX_PAYLOAD_BYTES) return payload;
  }
  const inputsKey = await putInputs(inputs);
  const payload = Buffer.from(JSON.stringify({ ...same, inputsKey } satisfies InvokePayload));
  if (payload.length <= MAX_PAYLOAD_BYTES) return payload;
  throw new RangeError(
    `the option env and secrets take ${payload.length} bytes, Lambda passes on ${MAX_PAYLOAD_BYTES}`,
  );
}

/** Whether driver and worker are of one make: their formats may differ otherwise. */
export const isOfThisMake = ({ protocol, kinglet }: { protocol: number; kinglet: string }): boolean =>
  protocol === RELAY_PROTOCOL && kinglet === version;
