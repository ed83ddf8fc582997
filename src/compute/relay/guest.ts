import type { Invocation } from "../contract.ts";
import { encodeFrame, FrameParser } from "../local/protocol.ts";
import { FRAME_GUEST } from "./protocol.ts";

export type RelayedInvocation = Invocation & { readonly logId: string };

/** A guest's invocation as it lies in the store for the supervisor of its host. */
export function encodeGuest({ inputs, slot: _slot, ...invocation }: RelayedInvocation): Buffer {
  return Buffer.concat(encodeFrame(FRAME_GUEST, invocation, inputs));
}

/** @throws RangeError where the bytes are something else */
export function decodeGuest(bytes: Uint8Array): RelayedInvocation {
  let invocation: RelayedInvocation | undefined;
  new FrameParser().push(bytes, ({ head, body }) => {
    invocation = { ...(head as RelayedInvocation), slot: "", inputs: body };
  });
  if (!invocation) throw new RangeError(`${bytes.length} bytes are no invocation`);
  return invocation;
}
