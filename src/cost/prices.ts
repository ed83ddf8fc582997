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

/** [S3: 1,000 PUTs, 1,000 GETs, a GB and month] of regions in which Lambda costs what it does in us-east-1. */
const S3_PRICES: Readonly<Record<string, readonly [number, number, number]>> = {
  "us-east-1": [0.005, 0.0004, 0.023],
  "us-east-2": [0.005, 0.0004, 0.023],
  "us-west-2": [0.005, 0.0004, 0.023],
  "us-west-1": [0.0055, 0.00044, 0.026],
  "ca-central-1": [0.0055, 0.00044, 0.025],
  "eu-west-1": [0.005, 0.0004, 0.023],
  "eu-north-1": [0.005, 0.0004, 0.023],
  "eu-west-2": [0.0053, 0.00042, 0.024],
  "eu-west-3": [0.0053, 0.00042, 0.024],
  "eu-central-1": [0.0054, 0.00043, 0.0245],
  "ap-northeast-1": [0.0047, 0.00037, 0.025],
  "ap-south-1": [0.005, 0.0004, 0.025],
  "ap-southeast-1": [0.005, 0.0004, 0.025],
  "ap-southeast-2": [0.0055, 0.00044, 0.025],
};

/**
 * A region's prices; of one that has no row those of us-east-1, and `name` says so.
 * @example pricesIn("eu-central-1").s3.usdPerPut // 0.0000054
 */
export function pricesIn(region: string): PriceTable {
  const row = S3_PRICES[region];
  if (!row) return { ...AWS_US_EAST_1, name: `${AWS_US_EAST_1.name}, for want of those of ${region}` };
  const [puts, gets, usdPerGbMonth] = row;
  return {
    ...AWS_US_EAST_1,
    name: `AWS ${region}`,
    s3: { usdPerPut: puts / 1000, usdPerGet: gets / 1000, usdPerGbMonth },
  };
}
