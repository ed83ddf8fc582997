import { classNames } from "../codec/graph/identity.ts";
import type { FunctionLinker, FunctionNode } from "../codec/graph/reader.ts";
import { GraphReader } from "../codec/graph/reader.ts";
import { UnserializableError } from "../errors.ts";
import { anyArguments } from "./any-arguments.ts";
import type { CompiledGraph, LinkRuntime } from "./compiled.ts";
import { areFilesElsewhere } from "./elsewhere.ts";
import { importerOf, importMeta, moduleObject, requireOf } from "./loading.ts";
import { addWayIn, isRebuilding, makeBare, type SetPrivates, setPrivates } from "./rebuild.ts";
import {
  type ImportReference,
  liveReference,
  referenceKey,
  rememberRestored,
  walkPath,
} from "./references.ts";
import { rememberSpecial } from "./restored-values.ts";
import { pathOf, urlOf, viteFile } from "./urls.ts";

/** What several graphs that are linked for one task have in common: their classes. */
export interface LinkScope {
  /** The class of that key, if this task or process has it. */
  classOf(key: string): object | undefined;
  /** A class was made from its code. */
  remember(key: string, ctor: object): void;
  /** An attached graph's class, linked once for each scope. */
  readonly attached: Map<CompiledGraph, unknown>;
  /** Imports lead to what this process has, not to what loading them again would give. */
  readonly prefersLive: boolean;
}

/** Links a graph once: fresh functions, classes and objects. */
export function linkGraph(compiled: CompiledGraph, scope: LinkScope): unknown {
  return new Link(compiled, scope).run();
}

class Link implements FunctionLinker, LinkRuntime {
  get rebuilding(): boolean {
    return isRebuilding();
  }
  readonly anyArguments: readonly unknown[] = anyArguments();
  readonly #compiled: CompiledGraph;
  readonly #scope: LinkScope;
  readonly #reader: GraphReader;
  readonly #creators: (() => unknown)[] = [];
  readonly #assignments: (() => void)[] = [];

  constructor(compiled: CompiledGraph, scope: LinkScope) {
    this.#compiled = compiled;
    this.#scope = scope;
    // Without read-only parts each link decodes its own.
    const shared = compiled.graph.table.plainShared ? compiled.shared : {};
    this.#reader = new GraphReader(compiled.graph, this, shared);
  }

  run(): unknown {
    this.#compiled.code?.(this);
    const root = this.#reader.getSettled(this.#compiled.graph.table.root);
    this.beforeUserCode();
    this.#reader.finish();
    return root;
  }

  /** Gives variables their values, before code that may read them runs. */
  beforeUserCode(): void {
    for (let assign = this.#assignments.shift(); assign; assign = this.#assignments.shift()) assign();
    this.#reader.settle();
  }

  // What the reader asks

  make(node: FunctionNode, id: number): unknown {
    switch (node[0]) {
      case "import":
        return this.#import(node[1], node.slice(2) as string[]);
      case "function":
        return this.#function(node, id);
      case "class":
        return this.#classByKey(node);
      case "attached":
        return this.#attached(node[1]);
      case "again": {
        const make = this.#creators[node[1]]!() as () => unknown;
        this.beforeUserCode();
        return make();
      }
      case "require": {
        const require = requireOf(node[1]);
        rememberSpecial(require, node);
        return require;
      }
      case "dynamicImport":
        return this.#viteImporter(node[1]);
      case "moduleMeta": {
        const meta = moduleObject(node[1]);
        rememberSpecial(meta, node);
        return meta;
      }
    }
  }

  makeInstance(classes: readonly object[], prototype: object): object {
    return Object.setPrototypeOf(makeBare(classes), prototype) as object;
  }

  setPrivates(ctor: object, instance: object, values: readonly unknown[]): void {
    setPrivates(ctor, instance, values);
  }

  // What restored code asks

  slot(number: number): unknown {
    return this.#reader.get(this.#compiled.graph.table.code!.slots[number]!);
  }

  settled(number: number): unknown {
    return this.#reader.getSettled(this.#compiled.graph.table.code!.slots[number]!);
  }

  variables(...assignments: (() => void)[]): void {
    this.#assignments.push(...assignments);
  }

  function(number: number, create: () => unknown): void {
    this.#creators[number] = create;
  }

  privates(ctor: object, set: SetPrivates): void {
    addWayIn(ctor, set);
  }

  method(holder: object): unknown {
    const { value, get, set } = Object.getOwnPropertyDescriptor(holder, Reflect.ownKeys(holder)[0]!)!;
    return value ?? get ?? set;
  }

  module(number: number): unknown {
    const namespace = this.#compiled.imports[number];
    rememberRestored({ record: this.#compiled.graph.table.imports[number]!, path: [] }, namespace);
    return namespace;
  }

  meta(url: string, isMain = false): object {
    const meta = importMeta(url, isMain);
    rememberSpecial(meta, ["moduleMeta", url]);
    return meta;
  }

  importer(url: string): unknown {
    const importer = importerOf(url);
    rememberSpecial(importer, ["dynamicImport", url]);
    return importer;
  }

  #viteImporter(url: string): unknown {
    const load = importerOf(url);
    const importer = (specifier: string, options?: ImportCallOptions) => {
      const isViteFile = specifier.startsWith("/") && !areFilesElsewhere();
      return load(isViteFile ? urlOf(viteFile(specifier, pathOf(url))) : specifier, options);
    };
    rememberSpecial(importer, ["dynamicImport", url]);
    return importer;
  }

  #import(number: number, path: readonly string[]): unknown {
    const record = this.#compiled.graph.table.imports[number]!;
    const reference: ImportReference = { record, path };
    const own = this.#scope.classOf(referenceKey(reference));
    if (own) return own;
    const live = this.#scope.prefersLive ? liveReference(reference) : undefined;
    if (live !== undefined) return live;
    const value = walkPath(this.#compiled.imports[number], path);
    if (value === undefined && path.length > 0) {
      throw new Error(
        `${record.specifier} has no export ${path.join(".")} here (imported by ${pathOf(record.parent)})`,
      );
    }
    rememberRestored(reference, value);
    return value;
  }

  #function(node: FunctionNode & readonly ["function", ...unknown[]], id: number): unknown {
    const [, creator, records, prototype, integrity, key] = node;
    const own = key === undefined ? undefined : this.#scope.classOf(key);
    if (own) return own;
    const fn = this.#creators[creator]!() as object & { prototype: object };
    this.#reader.preset(id, fn);
    if (key !== undefined) {
      classNames.adopt(fn, key);
      this.#scope.remember(key, fn);
    }
    this.#reader.later(() => {
      if (prototype?.[0] === "replace") fn.prototype = this.#reader.get(prototype[1]) as object;
      if (prototype?.[0] === "fill") {
        if (prototype[2] !== -1)
          Object.setPrototypeOf(fn.prototype, this.#reader.get(prototype[2]) as object | null);
        this.#reader.define(fn.prototype, prototype[1]);
      }
      this.#reader.define(fn, records);
      this.#reader.restrict(fn, integrity);
    });
    return fn;
  }

  #classByKey([, key, name]: FunctionNode & readonly ["class", ...unknown[]]): object {
    const known = this.#scope.classOf(key);
    if (known) return known;
    throw new UnserializableError(`an instance of ${name} can't be restored here: its class is not loaded`, {
      remedy: "Run this in the program that defines the class, or return plain data.",
    });
  }

  #attached(number: number): unknown {
    const compiled = this.#compiled.attached[number]!;
    if (!this.#scope.attached.has(compiled))
      this.#scope.attached.set(compiled, linkGraph(compiled, this.#scope));
    return this.#scope.attached.get(compiled);
  }
}
