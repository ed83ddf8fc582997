/**
 * The author's own way of sending an object, like Python's `__reduce__`: a method under this symbol returns
 * `[make, args]`; where the object arrives it is what `make(...args)` returns.
 *
 * @example
 * class Db { [Symbol.for("kinglet.reduce")]() { return [(url) => new Db(url), [this.url]] } }
 */
export const REDUCE: unique symbol = Symbol.for("kinglet.reduce") as typeof REDUCE;

/** How instances of a registered class travel. */
export interface ClassEncoding<T extends object> {
  /** What is sent in place of the instance: any value that can be sent. */
  encode(instance: T): unknown;
  /** Makes the instance again from what arrived. */
  decode(data: never): T;
}

interface RegisteredClass {
  readonly name: string;
  readonly ctor: object;
  readonly prototype: object;
  readonly encoding: ClassEncoding<object> | undefined;
}

const byName = new Map<string, RegisteredClass>();
const byPrototype = new Map<object, RegisteredClass>();
const byConstructor = new Map<object, RegisteredClass>();

/**
 * Makes a class known by `name` in every process that runs this line, so that it needs no capture. For Kinglet's
 * own handles and errors. Without `encoding`, instances travel by their own properties.
 *
 * @param name unique and stable: it is stored
 */
export function registerClass<T extends object>(
  name: string,
  ctor: abstract new (...args: never[]) => T,
  encoding?: ClassEncoding<T>,
): void {
  const entry: RegisteredClass = {
    name,
    ctor,
    prototype: ctor.prototype as object,
    encoding: encoding as ClassEncoding<object> | undefined,
  };
  byName.set(name, entry);
  byPrototype.set(entry.prototype, entry);
  byConstructor.set(ctor, entry);
}

/** The registered class with its own encoding that `instance` is made of, if any. */
export function registeredEncoding(prototype: object | null): RegisteredClass | undefined {
  const entry = prototype === null ? undefined : byPrototype.get(prototype);
  return entry?.encoding ? entry : undefined;
}

/** The registered class whose constructor is `value`, if any. */
export function registeredClass(value: object): RegisteredClass | undefined {
  return byConstructor.get(value);
}

/** @throws Error if no class has that name here */
export function classByName(name: string): RegisteredClass {
  const entry = byName.get(name);
  if (!entry)
    throw new Error(
      `no class is registered as "${name}" here; use the same version of Kinglet on both sides`,
    );
  return entry;
}
