import { randomBytes, randomUUID } from "node:crypto";

/** One try of running a function. */
export interface Invocation {
  readonly requestId: string;
  readonly payload: Buffer;
  readonly traceId: string;
  readonly clientContext?: string;
  /** Takes parts of a streamed response as they come, where the caller wants them. */
  readonly onChunk?: ((bytes: Buffer) => void) | undefined;
}

/** How it ended, as the caller sees it. */
export interface InvocationEnd {
  readonly payload: Buffer;
  /** The function has failed, or was ended. */
  readonly functionError?: "Unhandled";
  /** The last 4 KB of its log. */
  readonly logTail: string;
}

export function newInvocation(payload: Buffer, clientContext?: string): Invocation {
  const epoch = Math.floor(Date.now() / 1000).toString(16);
  const traceId = `Root=1-${epoch}-${randomBytes(12).toString("hex")};Parent=${randomBytes(8).toString("hex")};Sampled=0`;
  return { requestId: randomUUID(), payload, traceId, ...(clientContext ? { clientContext } : {}) };
}

/** What the platform says in place of the function. */
export interface PlatformError {
  readonly errorType: string;
  readonly errorMessage: string;
}

export const errorPayload = (error: PlatformError): Buffer => Buffer.from(JSON.stringify(error));

export const timedOut = ({ requestId }: Invocation, seconds: number): PlatformError => ({
  errorType: "Sandbox.Timedout",
  errorMessage: `RequestId: ${requestId} Error: Task timed out after ${seconds.toFixed(2)} seconds`,
});

export const exited = ({ requestId }: Invocation, how: string): PlatformError => ({
  errorType: "Runtime.ExitError",
  errorMessage: `RequestId: ${requestId} Error: Runtime exited ${how}`,
});

export const tooLarge = (limitBytes: number): PlatformError => ({
  errorType: "Function.ResponseSizeTooLarge",
  errorMessage: `Response payload size exceeded maximum allowed payload size (${limitBytes} bytes).`,
});
