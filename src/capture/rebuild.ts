import { isNative } from "../codec/graph/builtins.ts";
import { UnserializableError } from "../errors.ts";
import { parseFunction } from "./analyze.ts";
import { anyArguments } from "./any-arguments.ts";
import { privateNames, textOf } from "./classes.ts";
import { constructionFacts } from "./harmless.ts";
import { openInspector } from "./inspector.ts";

/**
 * Instances with `#private` fields. Nothing but a class's own code can make such a field or set it. Classes that
 * travelled as code have a way in, written by emit.ts; for others, live ones of this process, V8 lends a hand: it
 * evaluates a setter inside of the class.
 */
export type SetPrivates = (instance: object, values: readonly unknown[]) => void;

const setters = new WeakMap<object, SetPrivates>();
const waysIn = new WeakSet<object>();

/** While instances are rebuilt, restored classes' constructors and field initialisers do nothing. */
let rebuilding = false;

export function isRebuilding(): boolean {
  return rebuilding;
}

/** A class that travelled as code: `set` sets its private fields. */
export function addWayIn(ctor: object, set: SetPrivates): void {
  setters.set(ctor, set);
  waysIn.add(ctor);
}

/**
 * Why instances of these classes can't be rebuilt; undefined if they can.
 *
 * @param classes those with private fields or methods in an instance's chain, base class first
 * @param isForeign true of a class that has no way in where the instance is rebuilt
 */
export function rebuildProblem(
  classes: readonly object[],
  isForeign: (ctor: object) => boolean,
): string | undefined {
  for (const ctor of classes.filter(isForeign)) {
    const facts = constructionFacts(ctor);
    const canPause = classes.length === 1 && !facts.hasHeritage;
    const culprit = !facts.initialisers
      ? "initialisers do"
      : !facts.constructor && !canPause
        ? "constructor does"
        : "";
    if (culprit)
      return `${(ctor as { name: string }).name} has #private fields, and its ${culprit} more than set them`;
  }
  return undefined;
}

/** A bare instance of these classes, made without running code that does anything. @throws UnserializableError */
export function makeBare(classes: readonly object[]): object {
  const isForeign = (ctor: object) => !waysIn.has(ctor);
  const problem = rebuildProblem(classes, isForeign);
  if (problem) throw cannotRebuild(problem);
  const derivedFirst = classes.toReversed();
  const undo: (() => void)[] = [];
  // Only classes with private fields take part; those between them, and what the first one extends, do not run.
  derivedFirst.forEach((ctor, index) => {
    const parent = Object.getPrototypeOf(ctor) as object;
    const wanted = derivedFirst[index + 1] ?? (parent === Function.prototype ? parent : bareParent(parent));
    if (wanted === parent) return;
    Object.setPrototypeOf(ctor, wanted);
    undo.push(() => Object.setPrototypeOf(ctor, parent));
  });
  rebuilding = true;
  try {
    const [ctor] = derivedFirst;
    if (isForeign(ctor!) && !constructionFacts(ctor!).constructor) return makeAtEntry(ctor!);
    return Reflect.construct(ctor as new () => object, anyArguments() as unknown[]) as object;
  } finally {
    rebuilding = false;
    for (const restore of undo) restore();
  }
}

/** Sets the private fields that `ctor` itself declares. @throws UnserializableError */
export function setPrivates(ctor: object, instance: object, values: readonly unknown[]): void {
  let set = setters.get(ctor);
  if (!set) {
    set = setterInside(ctor);
    setters.set(ctor, set);
  }
  set(instance, values);
}

/** Stands in for a parent class: makes the object that its native base makes, and runs nothing. */
function bareParent(parent: object | null): object {
  let base: unknown = parent;
  while (typeof base === "function" && !isNative(base)) base = Object.getPrototypeOf(base);
  const native = typeof base === "function" && base !== Function.prototype ? base : Object;
  return function bare() {
    return Reflect.construct(
      native as new () => object,
      [],
      new.target as unknown as new () => object,
    ) as object;
  };
}

/** The object of a constructor that is halted before its first statement: its fields are there. */
function makeAtEntry(ctor: object): object {
  const inspector = openInspector();
  let made: unknown;
  const construct = () => Reflect.construct(ctor as new () => object, anyArguments() as unknown[]) as object;
  inspector.using(() =>
    inspector.withDebugger(() =>
      inspector.atEntry(ctor, construct, (frame) => {
        made = inspector.evaluateIn(frame, "this")?.value;
      }),
    ),
  );
  if (typeof made !== "object" || made === null)
    throw cannotRebuild(`V8 gave no instance of ${(ctor as { name: string }).name}`);
  return made;
}

/** A setter that is evaluated in the scope of one of the class's own functions, halted at its entry. */
function setterInside(ctor: object): SetPrivates {
  const inspector = openInspector();
  const text = textOf(ctor);
  const { fields } = privateNames(parseFunction(text));
  const assignments = fields.map((name, index) => `o.#${name}=v[${index}];`).join("");
  let set: unknown;
  const inside = functionInside(ctor, text);
  const enter =
    inside === ctor
      ? () => Reflect.construct(ctor as new () => object, anyArguments() as unknown[]) as object
      : () => Reflect.apply(inside as () => unknown, undefined, anyArguments() as unknown[]);
  inspector.using(() =>
    inspector.withDebugger(() =>
      inspector.atEntry(inside, enter, (frame) => {
        set = inspector.evaluateIn(frame, `(o,v)=>{${assignments}}`)?.value;
      }),
    ),
  );
  if (typeof set !== "function")
    throw cannotRebuild(`V8 gave no way into ${(ctor as { name: string }).name}`);
  return set as SetPrivates;
}

/** A method or accessor of the class that is neither a generator nor replaced; else the class itself. */
function functionInside(ctor: object, text: string): object {
  for (const owner of [(ctor as { prototype: object }).prototype, ctor]) {
    for (const key of Reflect.ownKeys(owner)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(owner, key)!;
      const method: unknown = value ?? get ?? set;
      if (typeof method !== "function" || method === ctor) continue;
      const isOrdinary = Object.getPrototypeOf(method) === Function.prototype;
      if (isOrdinary && text.includes(textOf(method))) return method;
    }
  }
  return ctor;
}

function cannotRebuild(problem: string): UnserializableError {
  return new UnserializableError(`an instance can't be restored: ${problem}`, {
    remedy: 'Send its data instead, or give the class a [Symbol.for("kinglet.reduce")]() method.',
  });
}
