/**
 * The value graph as data: a table of nodes that refer to each other by number. This is what is stored, so
 * a change here is a change of the format (docs/FORMAT.md, "Graph lane").
 */

/** A node's number, or a JSON-like primitive in brackets. -1 where nothing is meant ("no getter"). */
export type Ref = number | readonly [null | string | boolean | number];

/** A property's key: a string, or the node of a symbol. */
export type KeyRef = string | { readonly symbol: number };

/** `[key, value, flags?]` for data (flags: 1 writable, 2 enumerable, 4 configurable; 7 if absent), or `[key, getter, flags, setter]`. */
export type PropertyRecord =
  | readonly [KeyRef, Ref]
  | readonly [KeyRef, Ref, number]
  | readonly [KeyRef, Ref, number, Ref];

/** What an object natively is, below its own properties and prototype. `null`: an ordinary object. */
export type Base =
  | null
  | readonly ["array", number]
  | readonly ["date", number]
  | readonly ["regexp", string, string, number]
  | readonly ["map", readonly Ref[]]
  | readonly ["set", readonly Ref[]]
  | readonly ["error", string, string | undefined]
  | readonly ["domException", string, string, string | undefined]
  | readonly ["boxed", Ref]
  | readonly ["url", string]
  | readonly ["searchParams", string]
  | readonly ["temporal", string, string]
  | readonly ["arguments", readonly Ref[]]
  /** Body number, and the maximal length where it is resizable. */
  | readonly ["arrayBuffer", number, number?]
  /** Kind, memory, byte offset, length in elements (none: it tracks a resizable memory). */
  | readonly ["view", string, Ref, number, number?];

/** Private fields of one class of an instance: class, field names, values. */
export type PrivateRecord = readonly [Ref, readonly string[], readonly Ref[]];

/** 0 extensible, 1 not extensible, 2 sealed, 3 frozen. */
export type Integrity = 0 | 1 | 2 | 3;

/** How a function's `prototype` property is restored: filled in place, or replaced. */
export type PrototypeRecord =
  | null
  | readonly ["fill", readonly PropertyRecord[], Ref]
  | readonly ["replace", Ref];

export type GraphNode =
  | readonly ["undefined"]
  | readonly ["primitive", null | string | boolean | number]
  | readonly ["number", "-0" | "NaN" | "Infinity" | "-Infinity"]
  | readonly ["bigint", string]
  | readonly ["symbol", "registered" | "known", string]
  | readonly ["symbol", "unique", string | undefined, string]
  /** Found again by its place: a global, a member of a `node:` module, or an unnamed intrinsic. */
  | readonly ["builtin", "global" | "module" | "intrinsic", ...BuiltinStep[]]
  /** Found again by import: number of the import, then the way from the module's namespace. */
  | readonly ["import", number, ...string[]]
  /** Root number k of the plain blob (see plain.ts). */
  | readonly ["plain", number]
  /** A dense array of JSON-like primitives. */
  | readonly ["values", readonly unknown[]]
  | readonly ["object", Base, Ref, readonly PropertyRecord[], Integrity, readonly PrivateRecord[] | undefined]
  | readonly ["proxy", Ref, Ref]
  | readonly ["bound", Ref, Ref, readonly Ref[], readonly PropertyRecord[]]
  | readonly ["prototypeOf", Ref]
  /** The author's own way, `Symbol.for("kinglet.reduce")`: function and arguments. */
  | readonly ["reduced", Ref, readonly Ref[]]
  /** An instance of a class registered with its own encoding: name, data. */
  | readonly ["registered", string, Ref]
  | readonly ["registeredClass", string]
  /** Number of its creator in the code, own properties, prototype, integrity, class key if it is a class. */
  | readonly ["function", number, readonly PropertyRecord[], PrototypeRecord, Integrity, string?]
  /** A class that the reader knows by key; its name is for messages. */
  | readonly ["class", string, string]
  /** A class in an attached graph of its own (which many items may share). */
  | readonly ["attached", number]
  /** A module-level value whose initialiser is run again: number of its creator. */
  | readonly ["again", number]
  | readonly ["require", string]
  | readonly ["dynamicImport", string]
  | readonly ["moduleMeta", string];

/** A step to a builtin: a property name, or a well-known symbol's. */
export type BuiltinStep = string | { readonly knownSymbol: string };

/** A module to be loaded before the graph is linked. */
export interface ImportRecord {
  /** URL of the importing module. */
  readonly parent: string;
  /** The specifier as written, or a URL. */
  readonly specifier: string;
  /** Loaded by `require`, not by `import`. */
  readonly commonjs?: boolean;
  /** Name of the compiler's helper that wrapped the `require`, e.g. `__toESM`. */
  readonly interop?: string;
  /** Import attributes, e.g. `{ type: "json" }`. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Generated position → the user's: line and column (from 0) in the code, source number, line and column there. */
export type MappingPoint = readonly [
  line: number,
  column: number,
  source: number,
  sourceLine: number,
  sourceColumn: number,
];

/** Code of the functions and classes sent by value. */
export interface CodeRecord {
  readonly text: string;
  /** First 16 hex digits of the SHA-256 of `text`. */
  readonly hash: string;
  /** Nodes that the code asks for by slot number. */
  readonly slots: readonly Ref[];
  readonly sources: readonly string[];
  /** Ascending by generated position. Where a point's source is -1, Kinglet's own text begins. */
  readonly mapping: readonly MappingPoint[];
}

/** A whole graph, ready to be stored. */
export interface GraphTable {
  readonly nodes: readonly GraphNode[];
  readonly root: Ref;
  readonly imports: readonly ImportRecord[];
  readonly code: CodeRecord | undefined;
  /** Body number of the plain blob, or -1; whether it may be shared, frozen, between uses of the graph. */
  readonly plainBody: number;
  readonly plainShared: boolean;
  /** Body numbers of attached graphs. */
  readonly attached: readonly number[];
  /** For functions: nothing captured can change, so one linked function serves every task. */
  readonly closed: boolean;
  /** For functions: name. */
  readonly name: string;
}
