/** What a cloud takes for what jobs use, in US dollars. Lists change: `asOf` says of when these are. */
export interface PriceTable {
  readonly name: string;
  /** Year and month. */
  readonly asOf: string;
  /** Pages that they are from. */
  readonly sources: readonly string[];
  readonly lambda: {
    /** A GB (2³⁰ bytes) of a function's memory for a second, by its processor; the first tier. */
    readonly usdPerGbSecond: { readonly arm64: number; readonly x86_64: number };
    /** An invocation. */
    readonly usdPerRequest: number;
  };
  readonly s3: {
    /** PUT, COPY, POST and LIST; each part of a multipart upload is one. DELETE is free. */
    readonly usdPerPut: number;
    /** GET, of a range too, HEAD and others. */
    readonly usdPerGet: number;
    /** A GB kept for a month, the first 50 TB. */
    readonly usdPerGbMonth: number;
  };
}

/** AWS in us-east-1, without free tiers, discounts and taxes. */
export const AWS_US_EAST_1: PriceTable = {
  name: "AWS us-east-1",
  asOf: "2026-11",
  sources: ["https://aws.amazon.com/lambda/pricing/", "https://aws.amazon.com/s3/pricing/"],
  lambda: {
    usdPerGbSecond: { arm64: 0.0000133334, x86_64: 0.0000166667 },
    usdPerRequest: 0.2 / 1_000_000,
  },
  s3: { usdPerPut: 0.005 / 1000, usdPerGet: 0.0004 / 1000, usdPerGbMonth: 0.023 },
};
