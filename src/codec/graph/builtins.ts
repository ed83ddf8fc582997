import { isBuiltin } from "node:module";
import type { BuiltinStep, GraphNode } from "./nodes.ts";

/** Where a builtin is found again in any process: `["global", "Math", "max"]`, `["module", "fs", "readFile"]`. */
export type BuiltinPath = readonly ["global" | "module" | "intrinsic", ...BuiltinStep[]];

/** The language's globals. The other ones are not enumerated: Node loads whole modules when some are touched. */
const LANGUAGE_GLOBALS =
  "Object Function Array Number Boolean String Symbol BigInt Date Promise RegExp Map Set WeakMap WeakSet WeakRef " +
  "FinalizationRegistry Proxy Iterator Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError " +
  "URIError SuppressedError DisposableStack AsyncDisposableStack ArrayBuffer SharedArrayBuffer DataView Int8Array " +
  "Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array Float16Array Float32Array Float64Array " +
  "BigInt64Array BigUint64Array parseFloat parseInt isNaN isFinite decodeURI decodeURIComponent encodeURI " +
  "encodeURIComponent escape unescape eval Math JSON Reflect Atomics Intl WebAssembly Temporal console process";
/** Globals that Node makes when they are first read, by their tag. */
const LAZY_OBJECTS: Record<string, string> = {
  Crypto: "crypto",
  Performance: "performance",
  Navigator: "navigator",
};
const MODULE_OBJECTS = ["constants", "posix", "win32", "strict"];
const SKIPPED_MODULES = /^(sys|punycode|_)/;

const INTRINSIC_SAMPLES: Record<string, object> = {
  AsyncFunction: async () => {},
  GeneratorFunction: function* () {},
  AsyncGeneratorFunction: async function* () {},
  TypedArray: Object.getPrototypeOf(Uint8Array),
  ArrayIterator: [][Symbol.iterator](),
  MapIterator: new Map().entries(),
  SetIterator: new Set().values(),
  StringIterator: ""[Symbol.iterator](),
};

const paths = new Map<object, BuiltinPath>();
/** Modules whose exports objects are known, and those whose functions are too. */
const knownModules = new Set<string>();
const indexedModules = new Set<string>();
let knownModuleCount = -1;
let indexedModuleCount = -1;

/** The path of a builtin object, prototype or native function. Cheap: asked for every object that is encoded. */
export function builtinPath(value: object): BuiltinPath | undefined {
  if (paths.size === 0) {
    indexGlobals();
    indexIntrinsics();
  }
  // Modules are looked at once they are loaded: nothing is loaded for our sake.
  const loaded = moduleLoadList();
  if (loaded.length !== knownModuleCount) {
    knownModuleCount = loaded.length;
    for (const name of loadedModules(loaded)) addModule(name);
  }
  const known = paths.get(value);
  if (known) return known;
  if (typeof value === "function") return isNative(value) ? nodeFunctionPath(value) : undefined;
  const lazy = LAZY_OBJECTS[Object.prototype.toString.call(value).slice(8, -1)];
  return lazy && (globalThis as Record<string, unknown>)[lazy] === value ? ["global", lazy] : undefined;
}

/** The path of a function of Node's own that is written in JavaScript: `fetch`, `fs.readFile`. */
export function nodeFunctionPath(fn: object): BuiltinPath | undefined {
  const known = builtinPathOnce(fn);
  if (known) return known;
  const loaded = moduleLoadList();
  if (loaded.length !== indexedModuleCount) {
    indexedModuleCount = loaded.length;
    for (const name of loadedModules(loaded)) indexModule(name);
  }
  return paths.get(fn);
}

/** A global by its own name, or what is indexed. */
function builtinPathOnce(fn: object): BuiltinPath | undefined {
  const known = paths.get(fn);
  if (known) return known;
  const { name } = fn as { name: unknown };
  if (typeof name !== "string" || !Object.hasOwn(globalThis, name)) return undefined;
  return (globalThis as Record<string, unknown>)[name] === fn ? ["global", name] : undefined;
}

function moduleLoadList(): readonly string[] {
  return (process as unknown as { moduleLoadList: string[] }).moduleLoadList;
}

/** Public modules that are loaded, or whose inner half is: reading them loads nothing more. */
function loadedModules(loaded: readonly string[]): string[] {
  const names = loaded.map((entry) => {
    const name = /^NativeModule (.+)$/.exec(entry)?.[1] ?? "";
    return /^internal\/(fs|dns)\/promises$/.test(name) ? name.slice("internal/".length) : name;
  });
  return [...new Set(names)]
    .filter((name) => name && !/^internal\//.test(name) && !SKIPPED_MODULES.test(name) && isBuiltin(name))
    .sort();
}

/** @throws Error if this Node has no such builtin: a value must never silently become undefined. */
export function resolveBuiltin(node: GraphNode & readonly ["builtin", ...unknown[]]): unknown {
  const [, kind, ...steps] = node;
  let value: unknown = globalThis;
  let rest: BuiltinStep[] = steps;
  if (kind === "module") {
    value = process.getBuiltinModule(`node:${String(steps[0])}`);
    rest = steps.slice(1);
  } else if (kind === "intrinsic") {
    value = INTRINSIC_SAMPLES[String(steps[0])];
    if (steps[0] !== "TypedArray") value = Object.getPrototypeOf(value);
    rest = steps.slice(1);
  }
  for (const step of rest) {
    if (value === undefined || value === null) break;
    value = (value as Record<PropertyKey, unknown>)[keyOf(step)];
  }
  if (value === undefined || value === null) {
    const place = steps.map((step) => String(typeof step === "string" ? step : step.knownSymbol)).join(".");
    throw new Error(
      `${kind === "module" ? "node:" : ""}${place} is not in this Node (${process.version}); use the same Node as the driver`,
    );
  }
  return value;
}

function keyOf(step: BuiltinStep): PropertyKey {
  return typeof step === "string" ? step : knownSymbol(step.knownSymbol);
}

/** `Symbol.iterator` and its like, by name. */
export function knownSymbol(name: string): symbol {
  return (Symbol as unknown as Record<string, symbol>)[name]!;
}

/** Names of the symbols that the language knows. */
export const knownSymbolNames: ReadonlyMap<symbol, string> = new Map(
  Object.getOwnPropertyNames(Symbol)
    .map((name) => [knownSymbol(name), name] as const)
    .filter(([value]) => typeof value === "symbol"),
);

function add(value: unknown, path: BuiltinPath): boolean {
  if (!isObjectLike(value) || paths.has(value)) return false;
  paths.set(value, path);
  return true;
}

function indexGlobals(): void {
  add(globalThis, ["global"]);
  add(process.env, ["global", "process", "env"]);
  for (const name of LANGUAGE_GLOBALS.split(" ")) {
    const value = (globalThis as Record<string, unknown>)[name];
    if (!isObjectLike(value) || !add(value, ["global", name])) continue;
    addMembers(value, ["global", name]);
    const prototype = typeof value === "function" ? ownData(value, "prototype") : undefined;
    if (isObjectLike(prototype)) {
      add(prototype, ["global", name, "prototype"]);
      addMembers(prototype, ["global", name, "prototype"]);
    }
  }
}

function addMembers(owner: object, path: BuiltinPath): void {
  for (const key of Reflect.ownKeys(owner)) {
    const step = typeof key === "string" ? key : knownSymbolNames.get(key);
    const member = ownData(owner, key);
    if (step === undefined || typeof member !== "function") continue;
    add(member, [...path, typeof key === "string" ? key : { knownSymbol: step }]);
  }
}

function indexIntrinsics(): void {
  for (const [name, sample] of Object.entries(INTRINSIC_SAMPLES)) {
    const root = name === "TypedArray" ? sample : (Object.getPrototypeOf(sample) as object);
    add(root, ["intrinsic", name]);
    const prototype = (root as { prototype?: unknown }).prototype;
    if (isObjectLike(prototype)) add(prototype, ["intrinsic", name, "prototype"]);
  }
}

/** The exports object of a module, and the objects in it that hold more functions. */
function addModule(name: string): void {
  if (knownModules.has(name)) return;
  knownModules.add(name);
  const exports: unknown = process.getBuiltinModule(`node:${name}`);
  if (!isObjectLike(exports)) return;
  add(exports, ["module", name]);
  for (const key of MODULE_OBJECTS) add(ownData(exports, key), ["module", name, key]);
}

/** Functions of a module, their members and prototypes. */
function indexModule(name: string): void {
  if (indexedModules.has(name)) return;
  indexedModules.add(name);
  const exports: unknown = process.getBuiltinModule(`node:${name}`);
  if (!isObjectLike(exports)) return;
  for (const key of Object.keys(exports)) {
    const value = ownData(exports, key);
    if (typeof value !== "function" && !MODULE_OBJECTS.includes(key)) continue;
    if (!isObjectLike(value) || (!add(value, ["module", name, key]) && typeof value === "function")) continue;
    for (const member of Object.keys(value)) {
      const inner = ownData(value, member);
      if (typeof inner === "function") add(inner, ["module", name, key, member]);
    }
    const prototype = typeof value === "function" ? ownData(value, "prototype") : undefined;
    if (isObjectLike(prototype)) add(prototype, ["module", name, key, "prototype"]);
  }
}

function ownData(owner: object, key: PropertyKey): unknown {
  return Object.getOwnPropertyDescriptor(owner, key)?.value;
}

function isObjectLike(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** True of functions whose source can't be seen: the engine's own, add-ons' and bound ones. */
export function isNative(fn: object): boolean {
  return /\{\s*\[native code\]\s*\}\s*$/.test(Function.prototype.toString.call(fn));
}
