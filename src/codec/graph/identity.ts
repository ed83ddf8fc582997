import { randomBytes } from "node:crypto";

/**
 * Names for what has identity but no content: unique symbols, and classes. The driver names them in the order in
 * which it meets them, so that two runs of a program give the same names; whoever restores one remembers its name.
 */

/** Before names that a worker gives, which need not be repeatable but must not clash with the driver's. */
let prefix = (): string => "";
let isWorker = false;

/** Called by worker processes, whose own names must differ from the driver's. */
export function nameAsWorker(): void {
  if (isWorker) return;
  isWorker = true;
  let own: string | undefined;
  // Drawn at the first name: many a worker never gives one, and `node:crypto` takes 4 ms to load.
  prefix = () => (own ??= `${randomBytes(6).toString("hex")}/`);
}

class Names<T extends object | symbol> {
  readonly #ids = new WeakMap<T, string>();
  readonly #values = new Map<string, WeakRef<T>>();
  readonly #counts = new Map<string, number>();

  /** The value's name; `base` (what is the same in every process) begins a new one. */
  nameOf(value: T, base: string): string {
    const known = this.#ids.get(value);
    if (known !== undefined) return known;
    const count = this.#counts.get(base) ?? 0;
    this.#counts.set(base, count + 1);
    const id = `${prefix()}${base}#${count}`;
    this.remember(value, id);
    return id;
  }

  /** The name it has already, if any. */
  known(value: T): string | undefined {
    return this.#ids.get(value);
  }

  valueOf(id: string): T | undefined {
    return this.#values.get(id)?.deref();
  }

  remember(value: T, id: string): void {
    this.#ids.set(value, id);
    this.#values.set(id, new WeakRef(value));
  }

  /** A restored value goes by the name of the one that it was made from, which it doesn't displace. */
  adopt(value: T, id: string): void {
    this.#ids.set(value, id);
    if (this.valueOf(id) === undefined) this.#values.set(id, new WeakRef(value));
  }
}

const symbols = new Names<symbol>();

/** A stable id of a unique symbol. */
export function symbolId(symbol: symbol): string {
  return symbols.nameOf(symbol, symbol.description ?? "");
}

/** The symbol of that id: the same one each time in this process. */
export function symbolOf(id: string, description: string | undefined): symbol {
  let symbol = symbols.valueOf(id);
  if (symbol === undefined) {
    symbol = Symbol(description);
    symbols.remember(symbol, id);
  }
  return symbol;
}

/** Keys of classes: the driver's live ones and, in workers, the restored ones. */
export const classNames: Names<object> = new Names<object>();
