/** Why there is no answer; the system's own errors (ECONNREFUSED, …) stay as they are. */
export type HttpFailureCode =
  | "HTTP_CONNECT_TIMEOUT"
  | "HTTP_NO_ANSWER"
  | "HTTP_ANSWER_STALLED"
  | "HTTP_ANSWER_SHORT"
  | "HTTP_BROKEN_OFF"
  | "HTTP_BAD_ANSWER"
  | "HTTP_CLOSED";

export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  readonly code: HttpFailureCode;

  constructor(code: HttpFailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

export const badAnswer = (fault: string): HttpFailure =>
  new HttpFailure("HTTP_BAD_ANSWER", `the answer isn't HTTP/1.1: ${fault}`);
