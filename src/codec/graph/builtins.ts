import { isBuiltin } from "node:module";
import type { BuiltinStep, GraphNode } from "./nodes.ts";

/** Where a builtin is found again in any process: `["global", "Math", "max"]`, `["module", "fs", "readFile"]`. */
export type BuiltinPath = readonly ["global" | "module" | "intrinsic", ...BuiltinStep[]];

/** Tells whether a function written in JavaScript is Node's own (`fetch`, `structuredClone`), not the user's. */
export type NodeFunctionTest = (fn: object) => boolean;

const GLOBAL_OBJECTS = new Set([
  "Math",
  "JSON",
  "Reflect",
  "Atomics",
  "Intl",
  "WebAssembly",
  "Temporal",
  "console",
  "process",
  "crypto",
  "performance",
  "navigator",
]);
/** Globals that Node defines as getters; reading them has no effect that the user would see. */
const LAZY_GLOBALS = new Set(["process", "crypto", "performance", "navigator", "Buffer"]);
const MODULE_OBJECTS = new Set(["promises", "constants", "posix", "win32", "strict"]);
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
const indexedModules = new Set<string>();
let indexedModuleCount = -1;

/** The builtin's path, if `value` is a builtin function, prototype or namespace object. */
export function builtinPath(value: object, isNodeFunction: NodeFunctionTest): BuiltinPath | undefined {
  if (paths.size === 0) {
    indexGlobals(isNodeFunction);
    indexIntrinsics();
  }
  // Modules are indexed once they are loaded: nothing is loaded for our sake.
  const loaded = (process as unknown as { moduleLoadList: string[] }).moduleLoadList;
  if (loaded.length !== indexedModuleCount) {
    indexedModuleCount = loaded.length;
    indexModules(loaded);
  }
  return paths.get(value);
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

function indexGlobals(isNodeFunction: NodeFunctionTest): void {
  add(globalThis, ["global"]);
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, name)!;
    let value: unknown = descriptor.value;
    if (descriptor.get && LAZY_GLOBALS.has(name)) value = (globalThis as Record<string, unknown>)[name];
    if (!isObjectLike(value)) continue;
    if (typeof value === "function" ? !isNative(value) && !isNodeFunction(value) : !GLOBAL_OBJECTS.has(name))
      continue;
    if (!add(value, ["global", name])) continue;
    addMembers(value, ["global", name]);
    if (name === "process") add(process.env, ["global", "process", "env"]);
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

function indexModules(loaded: readonly string[]): void {
  const names = loaded.map((entry) => /^NativeModule ((?!internal\/).+)$/.exec(entry)?.[1] ?? "").sort();
  for (const name of names) {
    if (!name || indexedModules.has(name) || SKIPPED_MODULES.test(name) || !isBuiltin(name)) continue;
    indexedModules.add(name);
    const exports: unknown = process.getBuiltinModule(`node:${name}`);
    if (!isObjectLike(exports)) continue;
    add(exports, ["module", name]);
    for (const key of Object.keys(exports)) indexModuleExport(name, exports, key);
  }
}

function indexModuleExport(module: string, exports: object, key: string): void {
  const value = key === "promises" ? (exports as Record<string, unknown>)[key] : ownData(exports, key);
  if (!isObjectLike(value) || (typeof value !== "function" && !MODULE_OBJECTS.has(key))) return;
  if (!add(value, ["module", module, key])) return;
  for (const member of Object.keys(value)) {
    const inner = ownData(value, member);
    if (typeof inner === "function") add(inner, ["module", module, key, member]);
  }
  const prototype = typeof value === "function" ? ownData(value, "prototype") : undefined;
  if (isObjectLike(prototype)) add(prototype, ["module", module, key, "prototype"]);
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
