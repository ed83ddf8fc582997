import { afterAll, beforeAll, expect, it } from "vitest";
import { openStoreAt } from "../../src/storage/locate.ts";
import type { S3Location } from "../../src/storage/s3/location.ts";
import { describeObjectStore } from "../conformance/object-store.ts";
import { type FaultProxy, openFaultProxy } from "../services/fault-proxy.ts";
import { describeWith } from "../services/services.ts";
import { useCredentials } from "../support/remote.ts";
import { newS3Location } from "./s3-stores.ts";

const SUITE = {
  capabilities: { append: "emulated", putIfAbsent: true, durable: true },
  sharing: { handles: true, processes: true },
} as const;

/** About every twelfth request goes wrong. Nothing that only looks right: ranges have no checksum. */
const RATES = {
  resetBefore: 0.02,
  resetAfter: 0.02,
  truncated: 0.02,
  slowBody: 0.01,
  reordered: 0.01,
  corruptedUpload: 0.01,
};

describeWith("s3", "on radosgw behind a bad network", (s3) => {
  const seed = Number(process.env["KINGLET_TEST_SEED"] ?? Date.now() % 1_000_000);
  let proxy: FaultProxy;
  let restore: () => void;

  beforeAll(async () => {
    restore = useCredentials(s3());
    proxy = await openFaultProxy({ target: s3().endpoint, seed, rates: RATES, holdMs: 20 });
  });
  afterAll(async () => {
    restore?.();
    await proxy?.close();
  });

  describeObjectStore(
    `S3, as jobs use it (KINGLET_TEST_SEED=${seed})`,
    async () => {
      const location: S3Location = { ...(await newS3Location(s3())), endpoint: proxy.endpoint };
      return {
        store: await openStoreAt(location),
        reopen: () => openStoreAt(location),
        module: { url: import.meta.resolve("./by-location.ts"), argument: JSON.stringify(location) },
      };
    },
    SUITE,
  );

  it("met faults on its way", () => {
    // Few requests of the suite are under way together: an answer is seldom overtaken.
    const { reordered: _, ...others } = RATES;
    for (const fault of Object.keys(others) as (keyof typeof others)[])
      expect(proxy.counts[fault], fault).toBeGreaterThan(0);
  });
});
