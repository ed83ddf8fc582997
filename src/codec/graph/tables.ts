import { isProxy } from "node:util/types";

/**
 * Arrays of objects of one shape, as columns: what big captured data mostly is. They are looked at and encoded in one
 * walk, and take less than half of the bytes of `v8.serialize`, which writes the names of all properties with each object.
 */

/** Arrays that are shorter are left to v8. */
const MIN_ROWS = 256;
const MAX_COLUMNS = 64;

/** What a column holds. `values`: texts, or primitives of several kinds, which v8 writes quickly as an array. */
type ColumnKind = "integers" | "numbers" | "booleans" | "values";

/** A column as it is stored: `bytes` of all but `values`. */
export interface PackedColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly bytes: Uint8Array;
  readonly values?: readonly unknown[];
}

export interface Table {
  readonly length: number;
  readonly columns: readonly PackedColumn[];
  /** No object is in it twice; known where a column of numbers only rises, or only falls. */
  readonly isDistinct: boolean;
}

const { getOwnPropertyDescriptor, getOwnPropertyNames, getOwnPropertySymbols, getPrototypeOf, isExtensible } =
  Object;
const objectPrototype = Object.prototype;

/**
 * The rows of `list` as a table; undefined unless all are ordinary objects with the same properties in the same order, each an
 * ordinary property with a primitive value that is no symbol.
 *
 * @param list an array without holes and without other properties
 * @param isElsewhere true of an object that something else refers to, too
 */
export function tableOf(list: readonly unknown[], isElsewhere: (row: object) => boolean): Table | undefined {
  const names = list.length >= MIN_ROWS ? namesOf(list[0]) : undefined;
  if (!names) return undefined;
  const columns = names.map((name) => new Column(name, list.length));
  for (let at = 0; at < list.length; at++) {
    const row = list[at];
    if (!isOrdinaryObject(row) || isElsewhere(row)) return undefined;
    const own = getOwnPropertyNames(row);
    if (own.length !== columns.length) return undefined;
    for (let k = 0; k < columns.length; k++) {
      const column = columns[k]!;
      if (own[k] !== column.name) return undefined;
      const property = getOwnPropertyDescriptor(row, column.name)!;
      if (!property.writable || !property.enumerable || !property.configurable) return undefined;
      if (!column.add(property.value, at)) return undefined;
    }
  }
  return {
    length: list.length,
    columns: columns.map((column) => column.pack()),
    isDistinct: columns.some((column) => column.isMonotonic),
  };
}

function namesOf(first: unknown): string[] | undefined {
  if (!isOrdinaryObject(first)) return undefined;
  const names = getOwnPropertyNames(first);
  const isUsual = names.length > 0 && names.length <= MAX_COLUMNS && !names.includes("__proto__");
  return isUsual && !names.includes("constructor") ? names : undefined;
}

/** No other prototype, no symbols, not closed to changes, no proxy. */
function isOrdinaryObject(value: unknown): value is object {
  return (
    typeof value === "object" &&
    value !== null &&
    !isProxy(value) &&
    getPrototypeOf(value) === objectPrototype &&
    isExtensible(value) &&
    getOwnPropertySymbols(value).length === 0
  );
}

/** Gathers the values of one property. */
class Column {
  readonly name: string;
  #kind: "none" | "numbers" | "booleans" | "values" = "none";
  readonly #length: number;
  #numbers: Float64Array = NO_NUMBERS;
  #booleans: Uint8Array = NO_BYTES;
  #list: unknown[] = [];
  #isInteger = true;
  #rises = true;
  #falls = true;
  #last = Number.NaN;

  constructor(name: string, length: number) {
    this.name = name;
    this.#length = length;
  }

  /** False if the value is an object, a function or a symbol. */
  add(value: unknown, at: number): boolean {
    switch (typeof value) {
      case "number":
        if (this.#kind !== "numbers" && !this.#begins("numbers", at)) break;
        this.#numbers[at] = value;
        if (this.#isInteger && !Object.is(value | 0, value)) this.#isInteger = false;
        // False with NaN, too; and with the first one.
        if (!(value > this.#last) && at > 0) this.#rises = false;
        if (!(value < this.#last) && at > 0) this.#falls = false;
        this.#last = value;
        return true;
      case "boolean":
        if (this.#kind !== "booleans" && !this.#begins("booleans", at)) break;
        this.#booleans[at] = value ? 1 : 0;
        return true;
      case "object":
        if (value !== null) return false;
        break;
      case "function":
      case "symbol":
        return false;
    }
    if (this.#kind !== "values") this.#mix(at);
    this.#list.push(value);
    return true;
  }

  /** Each value is greater than the one before, or each is less. */
  get isMonotonic(): boolean {
    return this.#kind === "numbers" && (this.#rises || this.#falls);
  }

  pack(): PackedColumn {
    const { name } = this;
    switch (this.#kind) {
      case "numbers":
        return this.#isInteger
          ? { name, kind: "integers", bytes: bytesOf(new Int32Array(this.#numbers)) }
          : { name, kind: "numbers", bytes: bytesOf(this.#numbers) };
      case "booleans":
        return { name, kind: "booleans", bytes: this.#booleans };
      default:
        return { name, kind: "values", bytes: NO_BYTES, values: this.#list };
    }
  }

  #begins(kind: "numbers" | "booleans", at: number): boolean {
    if (this.#kind !== "none" || at > 0) return false;
    this.#kind = kind;
    if (kind === "numbers") this.#numbers = new Float64Array(this.#length);
    if (kind === "booleans") this.#booleans = new Uint8Array(this.#length);
    return true;
  }

  /** What was alike up to here is so no longer. */
  #mix(at: number): void {
    if (this.#kind === "numbers") this.#list = Array.from(this.#numbers.subarray(0, at));
    else if (this.#kind === "booleans")
      this.#list = Array.from(this.#booleans.subarray(0, at), (byte) => byte === 1);
    this.#kind = "values";
  }
}

const NO_NUMBERS = new Float64Array(0);
const NO_BYTES = new Uint8Array(0);

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The rows again, fresh objects. @throws RangeError, TypeError if it is damaged */
export function rowsOf({ length, columns }: Omit<Table, "isDistinct">): object[] {
  const model: Record<string, unknown> = {};
  for (const { name, kind } of columns) {
    // Fields of its copies, the rows, are to fit what they will hold.
    if (kind === "values") model[name] = 0;
    model[name] = MODELS[kind];
  }
  const rows: Record<string, unknown>[] = new Array(length);
  for (let i = 0; i < length; i++) rows[i] = { ...model };
  for (const column of columns) fillColumn(rows, column);
  return rows;
}

const MODELS = { integers: 1, numbers: 0.5, booleans: false, values: "" } as const;

function fillColumn(rows: Record<string, unknown>[], { name, kind, bytes, values }: PackedColumn): void {
  const cells = cellsOf(kind, bytes, values);
  if (cells.length !== rows.length) throw new RangeError(`column ${name} has ${cells.length} values`);
  if (kind === "booleans") for (let i = 0; i < rows.length; i++) rows[i]![name] = cells[i] === 1;
  else for (let i = 0; i < rows.length; i++) rows[i]![name] = cells[i];
}

function cellsOf(
  kind: ColumnKind,
  bytes: Uint8Array,
  values: readonly unknown[] | undefined,
): ArrayLike<unknown> {
  switch (kind) {
    case "integers":
      return new Int32Array(new Uint8Array(bytes).buffer);
    case "numbers":
      return new Float64Array(new Uint8Array(bytes).buffer);
    case "booleans":
      return bytes;
    case "values":
      return values ?? [];
    default:
      throw new TypeError(`a column of ${kind}`);
  }
}
