import { createHash } from "node:crypto";
import module from "node:module";
import path from "node:path";
import * as types from "node:util/types";
import { isNative, nodeFunctionPath } from "../codec/graph/builtins.ts";
import type { CallableObject, FunctionHook } from "../codec/graph/hooks.ts";
import { classNames } from "../codec/graph/identity.ts";
import { liveProblem, type Problem } from "../codec/graph/kinds.ts";
import type { GraphNode, PrivateRecord, PrototypeRecord, Ref } from "../codec/graph/nodes.ts";
import type { PathStep } from "../codec/graph/path.ts";
import { GraphWriter, isObject, isPlainPrototype } from "../codec/graph/writer.ts";
import { type ParsedFunction, parseFunction, type VariableUse } from "./analyze.ts";
import { readClassParts } from "./class-parts.ts";
import { readPrivates, textOf } from "./classes.ts";
import { type Binding, type CodeUnit, isClassUnit } from "./code-unit.ts";
import { Imports } from "./imports.ts";
import type { FunctionDetails, Inspector, Scope } from "./inspector.ts";
import type { KnownExports } from "./known-exports.ts";
import type { ImportedVariable } from "./modules.ts";
import { scopePlaces } from "./places.ts";
import { rebuildProblem } from "./rebuild.ts";
import { planRecipe, recipeFor } from "./recipes.ts";
import { type ImportReference, referenceKey, rememberReference } from "./references.ts";
import { knownSpecial } from "./restored-values.ts";
import type { Script, Scripts } from "./scripts.ts";
import { type CaptureStep, captureFailure, functionStep, shortLocation, variableStep } from "./steps.ts";
import { findCreatorThis } from "./this-value.ts";
import { urlOf } from "./urls.ts";

/** What is kept from one capture to the next: scripts with their syntax, symbols with their modules. */
export interface ProcessKnowledge {
  readonly inspector: Inspector;
  readonly scripts: Scripts;
  readonly exports: KnownExports;
}

/** What a capture keeps from one try to the next: see `TryAgain`. */
export interface CaptureChoices {
  /** Module-level variables, `script#name`, whose initialiser is run again in the worker. */
  readonly recipes: Set<string>;
  /** Functions sent by value although they could be imported. */
  readonly byValue: Set<object>;
  /** Own properties of errors that are left out, by error. */
  readonly leftOut: Map<object, Set<PropertyKey>>;
}

/** Whether functions are Node's own; how classes met in items are imported. */
const nodeFunctions = new WeakMap<object, boolean>();
const itemClasses = new WeakMap<object, ImportReference>();

/** Thrown to begin a capture anew with other choices. */
export class TryAgain extends Error {}

export interface FunctionWriterOptions {
  readonly userFiles?: "reference" | "value";
  /** Restored classes are named by their key alone: the receiver is who sent them. */
  readonly classesByKey?: boolean;
  /** Gives the bytes of classes that travel as graphs of their own. */
  readonly attachClass?: (fn: object) => Uint8Array | undefined;
  readonly mapStack?: (stack: string) => string;
  /** Of errors, leave out what can't be sent instead of failing. */
  readonly lenientErrors?: boolean;
}

/**
 * The writer's knowledge of functions and classes: reads what they captured through V8's inspector and collects the
 * code that is sent by value.
 */
export class FunctionWriter implements FunctionHook {
  readonly writer: GraphWriter = new GraphWriter(this);
  readonly units: CodeUnit[] = [];
  readonly slots: Ref[] = [];
  readonly imports: Imports;
  readonly warnings: string[] = [];
  /** Body numbers of attached graphs. */
  readonly attached: number[] = [];
  readonly inspector: Inspector;
  readonly scripts: Scripts;
  readonly choices: CaptureChoices;
  readonly #options: FunctionWriterOptions;
  readonly #exports: KnownExports;
  readonly #scriptsByValue = new Set<Script>();
  readonly #privateInstances: { readonly classes: readonly object[]; readonly step: CaptureStep }[] = [];

  constructor(
    { inspector, scripts, exports }: ProcessKnowledge,
    choices: CaptureChoices,
    options: FunctionWriterOptions,
  ) {
    this.inspector = inspector;
    this.scripts = scripts;
    this.choices = choices;
    this.#options = options;
    this.#exports = exports;
    this.imports = new Imports(options.userFiles === "value", exports);
  }

  /** Encodes all that `root` reaches. */
  write(root: unknown, rootName: string): Ref {
    const ref = this.writer.ref(root, { parent: undefined, text: rootName });
    this.writer.finish();
    this.#checkPrivateInstances();
    return ref;
  }

  slot(ref: Ref): number {
    this.slots.push(ref);
    return this.slots.length - 1;
  }

  encodeFunction(fn: CallableObject, _id: number, step: CaptureStep, home: object | undefined): GraphNode {
    const known = this.#encodeItemClass(fn) ?? this.#encodeByKey(fn);
    if (known) return known;
    const text = textOf(fn);
    const details = this.inspector.function(fn);
    if (details.bound) return this.#encodeBound(fn, details.bound, step);
    const special = knownSpecial(fn);
    if (special) return special;
    if (isNative(fn) || !details.location) {
      const why = `it is the native function ${fn.name}`.trimEnd();
      this.fail(step, {
        why: `${why}, which is not reachable from a global or a node: module`,
        remedy: "Import it from its module inside the function: const { x } = await import(…).",
      });
    }
    const script = this.scripts.get(details.location.scriptId);
    if (script.isNode) return this.#encodeNodeFunction(fn, script, step);
    script.ensureContains(text, details.location);
    const reference = this.#findReference(fn, script, details);
    if (reference) {
      rememberReference(reference, fn);
      if (this.#options.attachClass) itemClasses.set(fn, reference);
      return this.imports.node(reference);
    }
    const label = `${fn.name || "(anonymous)"}  ${shortLocation(script, details.location)}`;
    return this.#encodeByValue(fn, text, script, details, functionStep(step, label), home);
  }

  /** Of items there are many: a class that was met in one costs little in the next. */
  #encodeItemClass(fn: CallableObject): GraphNode | undefined {
    if (!this.#options.attachClass) return undefined;
    const reference = itemClasses.get(fn);
    if (reference) return this.imports.node(reference);
    const bytes = this.#scriptsByValue.size === 0 ? this.#attachable(fn) : undefined;
    if (!bytes) return undefined;
    this.attached.push(this.writer.body(bytes));
    return ["attached", this.attached.length - 1];
  }

  /** A restored class, named to who sent it. */
  #encodeByKey(fn: CallableObject): GraphNode | undefined {
    const key = this.#options.classesByKey ? classNames.known(fn) : undefined;
    return key === undefined ? undefined : ["class", key, fn.name];
  }

  #attachable(fn: CallableObject): Uint8Array | undefined {
    if (knownSpecial(fn) || isNative(fn) || this.isNodeFunction(fn) || this.choices.byValue.has(fn))
      return undefined;
    return this.#options.attachClass!(fn);
  }

  importReference(value: object | symbol): GraphNode | undefined {
    if (isObject(value)) for (const unit of this.units) this.imports.indexScript(unit.script, unit.scopes);
    const reference = this.imports.find(value);
    if (reference) {
      rememberReference(reference, value);
      return this.imports.node(reference);
    }
    return isObject(value) ? knownSpecial(value) : undefined;
  }

  privateFields(instance: object, step: CaptureStep): readonly PrivateRecord[] | undefined {
    const byClass = readPrivates(instance, this.inspector);
    if (!byClass) return undefined;
    this.#privateInstances.push({ classes: byClass.map(({ ctor }) => ctor), step });
    return byClass.map(({ ctor, names, values }) => {
      const ref = this.writer.ref(ctor, { parent: step, text: ".constructor" });
      return [
        ref,
        names,
        values.map((value, index) => this.writer.ref(value, { parent: step, text: `.#${names[index]}` })),
      ];
    });
  }

  proxyParts(proxy: object): { readonly target: object; readonly handler: object } | undefined {
    return this.inspector.proxy(proxy);
  }

  isNodeFunction(fn: object): boolean {
    let known = nodeFunctions.get(fn);
    if (known === undefined) {
      const { location } = this.inspector.function(fn);
      known = location !== undefined && this.scripts.get(location.scriptId).isNode;
      nodeFunctions.set(fn, known);
    }
    return known;
  }

  mapStack(stack: string): string {
    return this.#options.mapStack?.(stack) ?? stack;
  }

  isLeftOut(owner: object, key: PropertyKey): boolean {
    return this.choices.leftOut.get(owner)?.has(key) ?? false;
  }

  fail(step: CaptureStep, problem: Problem): never {
    if (this.#options.lenientErrors) this.#leaveOut(step);
    const recipe = recipeFor(step, this);
    if (recipe && !this.choices.recipes.has(recipe)) {
      this.choices.recipes.add(recipe);
      throw new TryAgain();
    }
    throw captureFailure(step, this.#withMaker(step, problem));
  }

  /** Begins anew without the nearest own property of an error that is on the way. */
  #leaveOut(step: CaptureStep): void {
    for (let at: PathStep | undefined = step; at?.parent; at = at.parent) {
      const owner = at.owner;
      if (!owner || !types.isNativeError(owner.object)) continue;
      const keys = this.choices.leftOut.get(owner.object) ?? new Set();
      if (keys.has(owner.key)) continue;
      this.choices.leftOut.set(owner.object, keys.add(owner.key));
      throw new TryAgain();
    }
  }

  /** A value that a package made keeps that package's state: say so. */
  #withMaker(step: CaptureStep, problem: Problem): Problem {
    for (let at: CaptureStep | undefined = step; at; at = at.parent as CaptureStep | undefined) {
      const maker = at.cell && this.packageOf(at.cell.value);
      if (!maker) continue;
      return {
        why: `${problem.why} ("${at.cell!.name}" was made by ${maker}, which keeps state of its own in it)`,
        remedy:
          "Make it inside the function, in a helper function, or in a module of its own and import that.",
      };
    }
    return problem;
  }

  /** The package of node_modules whose code made `value`. */
  packageOf(value: unknown): string | undefined {
    const packageOfFunction = (fn: unknown): string | undefined => {
      if (typeof fn !== "function" || types.isProxy(fn)) return undefined;
      const { location } = this.inspector.function(fn);
      return location && this.scripts.get(location.scriptId).packageName;
    };
    if (!isObject(value) || types.isProxy(value)) return undefined;
    if (typeof value === "function") return packageOfFunction(value);
    for (
      let owner = Object.getPrototypeOf(value) as object | null;
      owner && !isPlainPrototype(owner);
      owner = Object.getPrototypeOf(owner) as object | null
    ) {
      const name = packageOfFunction(Object.getOwnPropertyDescriptor(owner, "constructor")?.value);
      if (name) return name;
    }
    return undefined;
  }

  /** Where a class arrives as code there is a way to its private fields; elsewhere its constructor must be harmless. */
  #checkPrivateInstances(): void {
    const nodeOf = (ctor: object) => this.writer.nodes[this.writer.known(ctor)!]![0];
    for (const { classes, step } of this.#privateInstances) {
      const problem = rebuildProblem(classes, (ctor) => !/^(function|attached)$/.test(nodeOf(ctor)));
      if (!problem) continue;
      const ownFile = classes.filter((ctor) => nodeOf(ctor) === "import" && !this.packageOf(ctor));
      if (!this.#options.classesByKey && ownFile.some((ctor) => !this.choices.byValue.has(ctor))) {
        for (const ctor of ownFile) this.choices.byValue.add(ctor);
        throw new TryAgain();
      }
      this.fail(step, {
        why: problem,
        remedy: 'Send its data instead, or give the class a [Symbol.for("kinglet.reduce")]() method.',
      });
    }
  }

  #encodeBound(
    fn: CallableObject,
    bound: NonNullable<FunctionDetails["bound"]>,
    step: CaptureStep,
  ): GraphNode {
    return [
      "bound",
      this.writer.ref(bound.target, { parent: step, text: ".[[Target]]" }),
      this.writer.ref(bound.self, { parent: step, text: ".[[BoundThis]]" }),
      bound.args.map((arg, index) =>
        this.writer.ref(arg, { parent: step, text: `.[[BoundArgs]][${index}]` }),
      ),
      this.writer.properties(fn, step, (key) => key === "length" || key === "name"),
    ];
  }

  #encodeNodeFunction(fn: CallableObject, script: Script, step: CaptureStep): GraphNode {
    const builtin = nodeFunctionPath(fn);
    if (builtin) return ["builtin", ...builtin];
    // A module's own `require`.
    const paths = (fn as { resolve?: { paths?: (request: string) => string[] | null } }).resolve?.paths;
    if (fn.name === "require" && typeof paths === "function") {
      return ["require", urlOf(path.join(path.dirname(paths("x")?.[0] ?? "/"), "_.js"))];
    }
    return this.fail(step, liveProblem(`function ${fn.name} of ${script.url}`, undefined));
  }

  #findReference(fn: CallableObject, script: Script, details: FunctionDetails): ImportReference | undefined {
    if (this.choices.byValue.has(fn)) return undefined;
    const restored = this.imports.find(fn);
    if (restored) return restored;
    if (this.#scriptsByValue.has(script) || script.isRestored) return undefined;
    for (const unit of this.units) this.imports.indexScript(unit.script, unit.scopes);
    return this.imports.find(fn) ?? this.#ownExport(fn, script, () => details.scopes());
  }

  /** How the function can be imported, if the module that defines it exports it. */
  #ownExport(fn: object, script: Script, scopes: () => readonly Scope[]): ImportReference | undefined {
    if (script.syntax.isVite) return this.#exports.findViteMember(fn);
    return this.imports.findOwnExport(fn, script, scopes);
  }

  #encodeByValue(
    fn: CallableObject,
    text: string,
    script: Script,
    details: FunctionDetails,
    step: CaptureStep,
    home: object | undefined,
  ): GraphNode {
    const parsed = this.#parse(text, step);
    this.#refuseUnknowable(parsed, step);
    const location = details.location!;
    const found = script.find(text, location);
    const scopes = details.scopes();
    this.#scriptsByValue.add(script);
    const unit: CodeUnit = {
      id: this.units.length,
      fn,
      text,
      parsed,
      script,
      location,
      found,
      start: script.offsetOf(text, location) ?? 0,
      label: step.capturedBy!,
      scopes,
      bindings: new Map(),
      isStrict: script.isStrictAt(found),
      isDeclaration: isDeclaration(parsed, found?.node.type, fn, scopes),
      parts: { computedKeys: [], staticPrivates: new Map() },
    };
    this.units.push(unit);
    this.#exports.noteImports(script, scopes, this.imports);
    this.#bindVariables(unit, step);
    this.#bindThis(unit, step);
    this.#bindSuper(unit, step, home);
    return this.#functionNode(unit, fn, step);
  }

  #parse(text: string, step: CaptureStep): ParsedFunction {
    try {
      return parseFunction(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.fail(step, {
        why: `its source could not be parsed (${error.message}): ${text.slice(0, 80)}`,
      });
    }
  }

  #refuseUnknowable({ facts, kind, node }: ParsedFunction, step: CaptureStep): void {
    if (facts.usesEval) {
      this.fail(step, {
        why: "it uses eval, which can name any variable, so what it needs is not known",
        remedy: "Use new Function(…), or pass the values.",
      });
    }
    const [privateName] = facts.privateNames;
    if (privateName) {
      this.fail(step, {
        why: `it uses ${privateName}, and the private name ${privateName} belongs to a class around it`,
        remedy: "Make it a method of the class and capture the instance.",
      });
    }
    if (facts.usesNewTarget)
      this.fail(step, { why: "it is an arrow function using new.target, which is not known" });
    if (facts.usesSuper && kind === "expression" && !node.type.startsWith("Class")) {
      this.fail(step, {
        why: "it is an arrow function using super, and the object that super refers to is not known",
        remedy: "Make it a method.",
      });
    }
  }

  /** Finds each free variable in the function's scopes, and what stands for its value. */
  #bindVariables(unit: CodeUnit, step: CaptureStep): void {
    const places = scopePlaces(unit);
    for (const [name] of freeVariables(unit)) {
      const depth = unit.scopes.findIndex((scope) => hasVariable(scope, name));
      if (depth < 0) continue; // a global, or nothing at all
      const { isModuleLevel, place } = places[depth]!;
      let value: unknown;
      try {
        value = unit.scopes[depth]!.variables[name];
      } catch {
        this.fail(variableStep(step, name), {
          why: "it is not initialised yet: its declaration has not run",
          remedy: "Declare it before the call.",
        });
      }
      const at = variableStep(step, name, isModuleLevel ? { script: unit.script, name, value } : undefined);
      const binding = this.bind(unit, name, value, depth, at, isModuleLevel ? place : undefined);
      if (name === "arguments") unit.parts.argumentsSlot = this.slot((binding as { ref: Ref }).ref);
      else unit.bindings.set(name, binding);
    }
  }

  /** How the variable `name` with that value is provided; `modulePlace` is that of the module-level scope it is in. */
  bind(
    unit: CodeUnit,
    name: string,
    value: unknown,
    depth: number,
    step: CaptureStep,
    modulePlace: number | undefined,
  ): Binding {
    const { script } = unit;
    const isModuleLevel = modulePlace !== undefined;
    const variable = isModuleLevel ? script.syntax.imports.get(name) : undefined;
    const isThatOne =
      variable && (variable.place === modulePlace || (modulePlace === -1 && variable.kind === "require"));
    const imported = isThatOne && this.#importedBinding(variable, script, value, depth, step);
    if (imported) return imported;
    if (isModuleLevel && this.choices.recipes.has(`${script.id}#${name}`)) {
      const ref = planRecipe(this, unit, name, step);
      this.writer.alias(value, ref);
      return { kind: "variable", depth, ref };
    }
    const special = isModuleLevel ? moduleSpecial(name, value, script) : undefined;
    return {
      kind: "variable",
      depth,
      ref: special ? this.writer.add(special) : this.writer.ref(value, step),
    };
  }

  #importedBinding(
    variable: ImportedVariable,
    script: Script,
    value: unknown,
    depth: number,
    step: CaptureStep,
  ): Binding | undefined {
    if (!this.imports.isStillImported(variable, script, value)) return undefined;
    if (variable.phase) this.fail(step, { why: `it is an import ${variable.phase}, which is not supported` });
    if (isObject(value) && this.choices.byValue.has(value)) return undefined;
    const reference = this.imports.referenceOf(variable, script);
    if (!reference) return undefined;
    rememberReference(reference, value);
    // Values of the same identity met elsewhere are the same import.
    const isLive = variable.kind === "import" && script.syntax.isModule;
    if (isLive && !isObject(value) && typeof value !== "symbol") return { kind: "import", reference };
    const id = this.writer.add(this.imports.node(reference));
    this.writer.alias(value, id);
    return isLive ? { kind: "import", reference } : { kind: "variable", depth, ref: id };
  }

  #bindThis(unit: CodeUnit, step: CaptureStep): void {
    const { parsed, found, script } = unit;
    if (!parsed.facts.usesThis || parsed.node.type !== "ArrowFunctionExpression") return;
    const isTopLevel =
      found && !found.parents.some((node) => /^(Function(Declaration|Expression)|Class)/.test(node.type));
    if (isTopLevel && (script.syntax.isModule || script.syntax.isVite)) return; // `this` is undefined there
    const creator = found && findCreatorThis(unit, this.inspector);
    if (!creator) {
      this.fail(step, {
        why: "it is an arrow function using `this`, and V8 does not tell what its `this` is (the function that made it isn't running now)",
        remedy: "Write `const self = this` and use self.",
      });
    }
    unit.parts.thisSlot = this.slot(this.writer.ref(creator.value, variableStep(step, "this")));
  }

  #bindSuper(unit: CodeUnit, step: CaptureStep, home: object | undefined): void {
    const { facts, kind } = unit.parsed;
    if (!facts.usesSuper || kind === "expression") return;
    if (!home) {
      this.fail(step, {
        why: "it is a method using super, and the object that super refers to is not known",
        remedy: "Capture the whole object or class.",
      });
    }
    const prototype = Object.getPrototypeOf(home) as object | null;
    if (prototype && isPlainPrototype(prototype)) return;
    const ref: Ref = prototype
      ? this.writer.ref(prototype, { parent: step, text: ".[[HomeObject]]" })
      : [null];
    unit.parts.homeSlot = this.slot(ref);
  }

  /** Own properties, prototype and, for classes, what their definition evaluated once. */
  #functionNode(unit: CodeUnit, fn: CallableObject, step: CaptureStep): GraphNode {
    const isClass = isClassUnit(unit);
    const declared = isClass ? readClassParts(this, unit, fn, step) : undefined;
    const naturalName = unit.isDeclaration ? undefined : ownName(unit.parsed);
    const name = Object.getOwnPropertyDescriptor(fn, "name");
    const nameIsNatural = name !== undefined && !name.writable && name.value === naturalName;
    const records = this.writer.properties(fn, step, (key) => {
      if (key === "length" || key === "prototype" || key === "arguments" || key === "caller") return true;
      return declared?.statics.has(key) || (key === "name" && nameIsNatural);
    });
    const prototype = this.#prototypeRecord(unit, fn, step, declared?.methods);
    return isClass
      ? ["function", unit.id, records, prototype, this.#classKey(unit, fn)]
      : ["function", unit.id, records, prototype];
  }

  #prototypeRecord(
    unit: CodeUnit,
    fn: CallableObject,
    step: CaptureStep,
    classMethods: ReadonlySet<PropertyKey> | undefined,
  ): PrototypeRecord {
    const prototype: unknown = Object.getOwnPropertyDescriptor(fn, "prototype")?.value;
    if (!isObject(prototype)) return null;
    const at: PathStep = { parent: step, text: ".prototype" };
    if (classMethods) {
      const records = this.writer.properties(prototype, at, (key) => classMethods.has(key));
      return records.length > 0 ? ["fill", records, -1] : null;
    }
    if (Object.getOwnPropertyDescriptor(prototype, "constructor")?.value === fn) {
      // A constructor of the old kind: the prototype that it comes with is filled.
      const records = this.writer.properties(prototype, at, (key) => key === "constructor");
      const parent = Object.getPrototypeOf(prototype) as object | null;
      const parentRef = parent && !isPlainPrototype(parent) ? this.writer.prototypeRef(parent, at) : -1;
      return records.length > 0 || parentRef !== -1 ? ["fill", records, parentRef] : null;
    }
    const isOwn = unit.parsed.node.type === "FunctionExpression" && !unit.parsed.node["generator"];
    return isOwn || Reflect.ownKeys(prototype).length > 0
      ? ["replace", this.writer.ref(prototype, at)]
      : null;
  }

  /** The same for the same class in every process: where it is exported, or where it stands and which of these it is. */
  #classKey(unit: CodeUnit, fn: CallableObject): string {
    const { script, location, text } = unit;
    const known = classNames.known(fn);
    if (known !== undefined) return known;
    const exported = script.isRestored ? undefined : this.#ownExport(fn, script, () => unit.scopes);
    if (exported) {
      const key = referenceKey(exported);
      classNames.remember(fn, key);
      return key;
    }
    const place = `${script.url}:${location.lineNumber}:${location.columnNumber}`;
    return classNames.nameOf(
      fn,
      `class:${createHash("sha256").update(`${place}\n${text}`).digest("hex").slice(0, 20)}`,
    );
  }
}

/** The variables that a function needs, its own name among them where that is a variable of the outside. */
export function freeVariables(unit: CodeUnit): Map<string, VariableUse[]> {
  const { facts, node } = unit.parsed;
  if (!unit.isDeclaration) return facts.free;
  return new Map([...facts.free, [node["id"].name as string, facts.selfUses]]);
}

/** Names that it assigns, its own included. */
export function assignedVariables(unit: CodeUnit): Set<string> {
  const { facts, node } = unit.parsed;
  if (!unit.isDeclaration || !facts.selfAssigned) return facts.assigned;
  return new Set([...facts.assigned, node["id"].name as string]);
}

export function hasVariable(scope: Scope, name: string): boolean {
  return scope.kind === "With Block" ? name in scope.variables : Object.hasOwn(scope.variables, name);
}

/** A declared function is known by a variable of its scope; an expression has its name to itself. */
function isDeclaration(
  parsed: ParsedFunction,
  foundType: string | undefined,
  fn: object,
  scopes: readonly Scope[],
): boolean {
  const { node, kind } = parsed;
  if (kind !== "expression" || node.type !== "FunctionExpression" || parsed.facts.selfUses.length === 0)
    return false;
  if (foundType !== undefined) return foundType === "FunctionDeclaration";
  const name: string = node["id"].name;
  return scopes.some((scope) => hasVariable(scope, name) && scope.variables[name] !== fn);
}

/** The name that the language gives to the function where it is evaluated again. */
function ownName({ kind, node }: ParsedFunction): string {
  if (kind === "expression") return (node["id"]?.name as string | undefined) ?? "";
  return String(node["key"]?.name ?? node["key"]?.value ?? "");
}

/** What module systems put at module level: `require`, `module`, vite's import(). */
function moduleSpecial(name: string, value: unknown, script: Script): GraphNode | undefined {
  if (name === "require" && typeof value === "function") return ["require", script.fileUrl];
  if (name === "__vite_ssr_dynamic_import__") return ["dynamicImport", script.fileUrl];
  if (name === "__vite_ssr_import_meta__" || (name === "module" && value instanceof module))
    return ["moduleMeta", script.fileUrl];
  return undefined;
}
