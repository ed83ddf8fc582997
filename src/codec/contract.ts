/**
 * Values ↔ bytes. One envelope for items, results, errors, captured values and broadcasts:
 * a versioned header (see docs/FORMAT.md), then one of the lanes
 *   small     — undefined, null, booleans, numbers, bigints, strings, and small trees of plain objects, arrays and dates
 *   bytes     — one typed array, ArrayBuffer or Buffer: its raw bytes, decoded as a view without copying
 *   plain     — plain objects, arrays (sparse too), Map, Set, Date, RegExp, typed arrays, cycles: `v8.serialize`
 *   graph     — everything else: errors, class instances, URL, functions, symbols, accessors, frozen or odd objects:
 *               a node table, written by the GraphLane (src/codec/graph), which capture extends with functions
 * `v8.serialize` never sees an Error (its format differs between Nodes) nor a class instance (it would flatten it).
 */
export interface Codec {
  /**
   * @param rootName how error paths begin: "item", "result", "captured variable"…
   * @returns chunks, to be written one after the other; big binary bodies are not copied.
   * @throws UnserializableError naming the path: `result.rows[3].socket`
   */
  encode(value: unknown, rootName: string): Uint8Array[];

  /**
   * A promise only where the value holds functions or classes whose imports must be loaded, or broadcasts that must be
   * fetched.
   * @throws StoreError STORE_CORRUPT on damaged bytes, STORE_VERSION if a newer Kinglet wrote them
   */
  decode(bytes: Uint8Array): unknown | Promise<unknown>;
}

/** The slow, complete lane. */
export interface GraphLane {
  encode(value: unknown, rootName: string): Uint8Array;
  decode(bytes: Uint8Array): unknown | Promise<unknown>;
}
