import * as types from "node:util/types";
import { builtinPath, isNative, nodeFunctionPath } from "./builtins.ts";
import { errorBase } from "./errors.ts";
import type { FunctionHook } from "./hooks.ts";
import { liveProblem, simpleBase } from "./kinds.ts";
import type { MemoryWriter } from "./memory.ts";
import type { Base, Ref } from "./nodes.ts";
import type { PathStep } from "./path.ts";
import { constructorName, isPlainPrototype } from "./shapes.ts";

/** The part of the graph's writer that is needed here. */
export interface BaseHost {
  readonly hook: FunctionHook;
  readonly memory: MemoryWriter;
  ref(value: unknown, step: PathStep): Ref;
}

/** What an object natively is, with references to what it holds. */
export function baseOf(host: BaseHost, value: object, step: PathStep): Base {
  if (Array.isArray(value)) return ["array", value.length];
  if (types.isMap(value)) {
    const refs: Ref[] = [];
    for (const [key, item] of Map.prototype.entries.call(value) as MapIterator<[unknown, unknown]>) {
      const name = typeof key === "string" ? JSON.stringify(key) : String(refs.length / 2);
      refs.push(host.ref(key, { parent: step, text: `.key(${refs.length / 2})` }));
      refs.push(host.ref(item, { parent: step, text: `.get(${name})` }));
    }
    return ["map", refs];
  }
  if (types.isSet(value)) {
    const items = [...(Set.prototype.values.call(value) as SetIterator<unknown>)];
    return ["set", items.map((item, index) => host.ref(item, { parent: step, text: `.item(${index})` }))];
  }
  if (types.isArgumentsObject(value)) {
    const items = Array.from(value as unknown as ArrayLike<unknown>);
    return ["arguments", items.map((item, index) => host.ref(item, { parent: step, text: `[${index}]` }))];
  }
  if (types.isArrayBuffer(value)) return host.memory.bufferBase(value);
  if (types.isArrayBufferView(value)) return host.memory.viewBase(value, step);
  if (types.isBoxedPrimitive(value)) {
    return [
      "boxed",
      host.ref((value as { valueOf(): unknown }).valueOf(), { parent: step, text: ".valueOf()" }),
    ];
  }
  return simpleBase(value) ?? errorBase(value, (stack) => host.hook.mapStack(stack)) ?? null;
}

/** Node gives most of its errors classes that nobody can name: they arrive as what these extend. */
export function errorPrototype(hook: FunctionHook, prototype: object): object {
  for (let owner = prototype; ; owner = Object.getPrototypeOf(owner) as object) {
    const { value, get } = Object.getOwnPropertyDescriptor(owner, "constructor") ?? {};
    const made: unknown = value ?? get;
    if (typeof made !== "function" || isNative(made) || types.isProxy(made)) return owner;
    if (!hook.isNodeFunction(made) || nodeFunctionPath(made)) return owner;
  }
}

/** An instance whose class is Node's own, or native, has state that can't be seen. */
export function refuseLiveObject(
  hook: FunctionHook,
  value: object,
  prototype: object | null,
  step: PathStep,
): void {
  for (
    let owner = prototype;
    owner && !isPlainPrototype(owner);
    owner = Object.getPrototypeOf(owner) as object | null
  ) {
    if (types.isProxy(owner)) return;
    const ctor: unknown = Object.getOwnPropertyDescriptor(owner, "constructor")?.value;
    if (typeof ctor !== "function" || types.isProxy(ctor)) continue;
    const name = constructorName(value) || ctor.name;
    if (!isNative(ctor) && !hook.isNodeFunction(ctor)) continue;
    const path = builtinPath(ctor) ?? nodeFunctionPath(ctor);
    if (path?.[0] === "global" && path[1] === "Object") continue;
    hook.fail(step, liveProblem(name, path?.[0] === "module" ? String(path[1]) : undefined));
  }
}
