/** An answer of AWS that says no. */
export class AwsError extends Error {
  /** "ResourceNotFoundException" */
  readonly code: string;
  readonly status: number;
  /** More members of the answer's body. */
  readonly more: Readonly<Record<string, string>>;

  constructor(code: string, status: number, message: string, more: Record<string, string> = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.more = more;
  }
}

export const invalidParameter = (message: string): AwsError =>
  new AwsError("InvalidParameterValueException", 400, message, { Type: "User" });

export const failedValidation = (value: unknown, member: string, constraint: string): AwsError =>
  new AwsError(
    "ValidationException",
    400,
    `1 validation error detected: Value '${String(value)}' at '${member}' failed to satisfy constraint: ${constraint}`,
  );

export type ThrottleReason =
  | "ConcurrentInvocationLimitExceeded"
  | "ReservedFunctionConcurrentInvocationLimitExceeded"
  | "CallerRateLimitExceeded"
  | "ReservedFunctionInvocationRateLimitExceeded";

export const throttled = (reason: ThrottleReason): AwsError =>
  new AwsError("TooManyRequestsException", 429, "Rate Exceeded.", { Reason: reason, Type: "User" });

export const accessDenied = (callerArn: string, action: string, resource: string): AwsError =>
  new AwsError(
    "AccessDeniedException",
    403,
    `User: ${callerArn} is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`,
  );
