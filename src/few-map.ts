const FEW = 8;

/**
 * A map that mostly holds a few entries, which come and go. A `Map` makes itself a new table every few times, and the
 * tables that it left refer to the next ones: garbage that has grown old keeps all that came after it alive, until
 * the next full collection. Up to eight entries are looked up one by one here, in place; more are in a `Map`.
 *
 * Entries are gone over in the order in which they were added. They may be deleted meanwhile.
 */
export class FewMap<K, V> {
  readonly #keys: (K | undefined)[] = new Array<K | undefined>(FEW).fill(undefined);
  readonly #values: (V | undefined)[] = new Array<V | undefined>(FEW).fill(undefined);
  #count = 0;
  /** All of them, once they were more than a few, until none is left. */
  #many: Map<K, V> | undefined;

  get size(): number {
    return this.#many ? this.#many.size : this.#count;
  }

  get(key: K): V | undefined {
    if (this.#many) return this.#many.get(key);
    const at = this.#position(key);
    return at < 0 ? undefined : this.#values[at];
  }

  has(key: K): boolean {
    return this.#many ? this.#many.has(key) : this.#position(key) >= 0;
  }

  set(key: K, value: V): void {
    if (this.#many) {
      this.#many.set(key, value);
      return;
    }
    const at = this.#position(key);
    if (at >= 0) this.#values[at] = value;
    else if (this.#count < FEW) {
      this.#keys[this.#count] = key;
      this.#values[this.#count++] = value;
    } else {
      this.#many = new Map(this.#entries());
      this.#many.set(key, value);
      this.#keys.fill(undefined);
      this.#values.fill(undefined);
      this.#count = 0;
    }
  }

  delete(key: K): boolean {
    if (this.#many) {
      const was = this.#many.delete(key);
      if (this.#many.size === 0) this.#many = undefined;
      return was;
    }
    const at = this.#position(key);
    if (at < 0) return false;
    this.#count -= 1;
    for (let i = at; i < this.#count; i++) {
      this.#keys[i] = this.#keys[i + 1];
      this.#values[i] = this.#values[i + 1];
    }
    this.#keys[this.#count] = undefined;
    this.#values[this.#count] = undefined;
    return true;
  }

  values(): Iterable<V> {
    return this.#many ? this.#many.values() : (this.#values.slice(0, this.#count) as V[]);
  }

  #entries(): [K, V][] {
    return this.#keys.slice(0, this.#count).map((key, i) => [key as K, this.#values[i] as V]);
  }

  #position(key: K): number {
    for (let i = 0; i < this.#count; i++) if (this.#keys[i] === key) return i;
    return -1;
  }
}
