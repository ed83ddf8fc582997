import type { ServerResponse } from "node:http";
import { EventStreamCodec } from "@smithy/core/event-streams";
import type { Invocation, InvocationEnd } from "./invocation.ts";

/** How a synchronous invocation answers its caller. */
export interface Reply {
  /** Part of a streamed response, as it comes; absent where the answer is sent as a whole. */
  chunk?(bytes: Buffer): void;
  end(invocation: Invocation, end: InvocationEnd): void;
}

/** https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html */
export const wholeReply = (response: ServerResponse, wantsTail: boolean): Reply => ({
  end({ traceId }, { payload, functionError, logTail }) {
    response.writeHead(200, {
      "Content-Type": "application/json",
      "Content-Length": payload.length,
      "X-Amz-Executed-Version": "$LATEST",
      "X-Amzn-Trace-Id": traceId,
      ...(functionError ? { "X-Amz-Function-Error": functionError } : {}),
      ...(wantsTail ? { "X-Amz-Log-Result": Buffer.from(logTail).toString("base64") } : {}),
    });
    response.end(payload);
  },
});

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString(),
  (text) => Buffer.from(text),
);

function message(eventType: string, contentType: string, body: Uint8Array): Uint8Array {
  const text = (value: string) => ({ type: "string" as const, value });
  return codec.encode({
    headers: {
      ":event-type": text(eventType),
      ":content-type": text(contentType),
      ":message-type": text("event"),
    },
    body,
  });
}

/** https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html */
export function streamedReply(response: ServerResponse, wantsTail: boolean): Reply {
  const begin = () => {
    if (response.headersSent) return;
    response.writeHead(200, {
      "Content-Type": "application/vnd.amazon.eventstream",
      "X-Amz-Executed-Version": "$LATEST",
    });
  };
  const chunk = (bytes: Buffer) => {
    if (response.destroyed) return;
    begin();
    response.write(message("PayloadChunk", "application/octet-stream", bytes));
  };
  return {
    chunk,
    end(_invocation, { payload, functionError, logTail }) {
      // A function that doesn't stream answers all the same: as one chunk.
      if (!functionError && payload.length > 0) chunk(payload);
      begin();
      const complete = {
        ...(functionError ? { ErrorCode: functionError, ErrorDetails: payload.toString() } : {}),
        ...(wantsTail ? { LogResult: Buffer.from(logTail).toString("base64") } : {}),
      };
      response.end(message("InvokeComplete", "application/json", Buffer.from(JSON.stringify(complete))));
    },
  };
}
