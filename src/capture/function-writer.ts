import path from "node:path";
import { isNative, nodeFunctionPath } from "../codec/graph/builtins.ts";
import type { CallableObject, FunctionHook } from "../codec/graph/hooks.ts";
import { classNames } from "../codec/graph/identity.ts";
import { liveProblem, type Problem } from "../codec/graph/kinds.ts";
import type { GraphNode, PrivateRecord, Ref } from "../codec/graph/nodes.ts";
import { isObject } from "../codec/graph/shapes.ts";
import { GraphWriter } from "../codec/graph/writer.ts";
import { bindSuper, bindThis, bindVariables } from "./bindings.ts";
import { nearestErrorProperty, packageOf, withMaker } from "./blame.ts";
import { readPrivates, textOf } from "./classes.ts";
import type { CodeUnit } from "./code-unit.ts";
import { type CaptureChoices, type CaptureContext, type CopiedImport, TryAgain } from "./context.ts";
import { functionNode } from "./function-node.ts";
import { Imports } from "./imports.ts";
import type { FunctionDetails, Inspector, Scope } from "./inspector.ts";
import { isDeclaration, parseText, refuseChangingCopies, refuseUnknowable } from "./knowable.ts";
import type { KnownExports } from "./known-exports.ts";
import { rebuildProblem } from "./rebuild.ts";
import { recipeFor } from "./recipes.ts";
import { type ImportReference, rememberReference } from "./references.ts";
import { knownSpecial } from "./restored-values.ts";
import type { Script, Scripts } from "./scripts.ts";
import { type CaptureStep, captureFailure, functionStep, shortLocation } from "./steps.ts";
import { urlOf } from "./urls.ts";

/** What is kept from one capture to the next: scripts with their syntax, symbols with their modules. */
export interface ProcessKnowledge {
  readonly inspector: Inspector;
  readonly scripts: Scripts;
  readonly exports: KnownExports;
}

/** Whether functions are Node's own; how classes met in items are imported. */
const nodeFunctions = new WeakMap<object, boolean>();
const itemClasses = new WeakMap<object, ImportReference>();

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
export class FunctionWriter implements FunctionHook, CaptureContext {
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
  readonly copies: CopiedImport[] = [];
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
    refuseChangingCopies(this);
    return ref;
  }

  slot(ref: Ref): number {
    this.slots.push(ref);
    return this.slots.length - 1;
  }

  encodeFunction(fn: CallableObject, step: CaptureStep, home: object | undefined): GraphNode {
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

  /** Not what a program put in place of a method of `console` or `process`: that is the worker's own there. */
  isOwnCode(fn: object): boolean {
    const isMember = (owner: object) =>
      Object.values(Object.getOwnPropertyDescriptors(owner)).some(({ value }) => value === fn);
    return !isNative(fn) && !this.isNodeFunction(fn) && !isMember(console) && !isMember(process);
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
    throw captureFailure(step, withMaker(this, step, problem));
  }

  /** Begins anew without the nearest own property of an error that is on the way. */
  #leaveOut(step: CaptureStep): void {
    const { leftOut } = this.choices;
    const found = nearestErrorProperty(step, (error, key) => !leftOut.get(error)?.has(key));
    if (!found) return;
    leftOut.set(found.error, (leftOut.get(found.error) ?? new Set()).add(found.key));
    throw new TryAgain();
  }

  /** Where a class arrives as code there is a way to its private fields; elsewhere its constructor must be harmless. */
  #checkPrivateInstances(): void {
    const nodeOf = (ctor: object) => this.writer.nodes[this.writer.known(ctor)!]![0];
    for (const { classes, step } of this.#privateInstances) {
      const problem = rebuildProblem(classes, (ctor) => !/^(function|attached)$/.test(nodeOf(ctor)));
      if (!problem) continue;
      const ownFile = classes.filter((ctor) => nodeOf(ctor) === "import" && !packageOf(this, ctor));
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
    return this.imports.find(fn) ?? this.ownExport(fn, script, () => details.scopes());
  }

  /** How the function can be imported, if the module that defines it exports it. */
  ownExport(fn: object, script: Script, scopes: () => readonly Scope[]): ImportReference | undefined {
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
    const parsed = parseText(this, text, step);
    refuseUnknowable(this, parsed, step);
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
    this.#exports.noteImports(script, scopes, (variable) => this.imports.referenceOf(variable, script));
    bindVariables(this, unit, step);
    bindThis(this, unit, step);
    bindSuper(this, unit, step, home);
    return functionNode(this, unit, fn, step);
  }
}
