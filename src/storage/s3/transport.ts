import { Connections, type HttpOptions } from "./http/connections.ts";
import type { HttpRequest, HttpResponse } from "./http/message.ts";

export type { HttpRequest, HttpResponse, RequestBody } from "./http/message.ts";

/** Sends requests to one origin. Rejects with HttpFailures or the system's errors, or with the signal's reason. */
export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** HTTP/1.1 by connections of our own (docs/decisions/0012-s3-client.md). */
export function createTransport(origin: string, options: HttpOptions): Transport {
  const connections = new Connections(origin, options);
  return {
    send: (request) => connections.send(request),
    close: async () => connections.close(),
  };
}
