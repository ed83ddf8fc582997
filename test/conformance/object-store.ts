import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeLogs } from "./logs.ts";
import { describeObjects, describeRanges } from "./object-store-bodies.ts";
import type { Current, OpenedStore, SuiteOptions } from "./object-store-helpers.ts";
import { describeDeleting, describeKeys, describeListing } from "./object-store-names.ts";
import { describePutIfAbsent } from "./object-store-writers.ts";

export type { OpenedStore, SuiteOptions } from "./object-store-helpers.ts";

/**
 * The suite that every object store passes; a skipped test names its reason.
 *
 * @example
 * describeObjectStore("memory", async () => ({ store: openMemoryStore() }), {
 *   capabilities: { append: "native", putIfAbsent: true, durable: false },
 *   sharing: { handles: "each store has its own memory", processes: "it lives in one process" },
 * });
 */
export function describeObjectStore(
  name: string,
  open: () => Promise<OpenedStore>,
  options: SuiteOptions,
): void {
  describe(`object store: ${name}`, () => {
    let opened: OpenedStore | undefined;
    const current: Current = () => opened!;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened?.store.close();
      await opened?.cleanUp?.();
    });

    it("has the capabilities that it is tested for", () => {
      expect(current().store.capabilities).toEqual(options.capabilities);
      expect(current().store.openLog !== undefined).toBe(options.capabilities.append !== false);
    });
    describeObjects(current, options);
    describeRanges(current);
    describePutIfAbsent(current, options);
    describeListing(current);
    describeDeleting(current);
    describeKeys(current);
    describeLogs(current, options);
  });
}
