import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KeyValueCapabilities, KeyValueStore } from "../../src/storage/kv/contract.ts";
import { describeModel } from "./key-value-store-model.ts";
import { describeListedKeys, describeWaits } from "./key-value-store-order.ts";
import {
  describeManyClients,
  describeReads,
  describeSteps,
  describeWrites,
} from "./key-value-store-values.ts";

/** A new, empty store. */
export interface OpenedKeyValueStore {
  readonly store: KeyValueStore;
  /** Another client of the same store. Absent where it lives in one handle only. */
  readonly reopen?: () => Promise<KeyValueStore>;
  readonly cleanUp?: () => Promise<void>;
}

export interface KeyValueSuiteOptions {
  readonly capabilities: KeyValueCapabilities;
  /** Histories of random calls that are compared with a plain map. */
  readonly histories: number;
}

/**
 * The suite that every key-value store passes; a skipped test names its reason.
 *
 * @example
 * describeKeyValueStore("memory", async () => ({ store: openMemoryKeyValueStore() }), {
 *   capabilities: { durable: false, shared: false },
 *   histories: 100,
 * });
 */
export function describeKeyValueStore(
  name: string,
  open: () => Promise<OpenedKeyValueStore>,
  options: KeyValueSuiteOptions,
): void {
  describe(`key-value store: ${name}`, () => {
    let opened: OpenedKeyValueStore | undefined;
    const current = () => opened!;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened?.store.close();
      await opened?.cleanUp?.();
    });

    it("has the capabilities that it is tested for", () => {
      expect(current().store.capabilities).toEqual(options.capabilities);
    });
    describeReads(current);
    describeWrites(current);
    describeSteps(current);
    describeListedKeys(current);
    describeWaits(current, options);
    describeManyClients(current, options);
    describeModel(current, options);
  });
}
