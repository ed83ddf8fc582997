import type { GraphLane } from "../codec/contract.ts";
import { type Graph, packGraph } from "../codec/graph/envelope.ts";
import { classNames } from "../codec/graph/identity.ts";
import { takeUnready, whenReady } from "../codec/graph/unready.ts";
import { attachedClass } from "./attached.ts";
import { writeGraph } from "./capture-graph.ts";
import { type CompiledGraph, compileGraph } from "./compiled.ts";
import { type LinkScope, linkGraph } from "./link.ts";
import { type ImportReference, liveReference } from "./references.ts";
import { mapStack } from "./stack.ts";

/** Roots of this name are errors that ended a task: what can't be sent of them is left out. */
const THROWN = "error";

/**
 * The graph lane of one task in a worker. Its item is linked to the classes that the task's function uses; its result
 * names those by key, so that the driver finds its own; stacks of errors lead to the user's own lines.
 */
export class TaskLane implements GraphLane, LinkScope {
  readonly attached = new Map<CompiledGraph, unknown>();
  readonly prefersLive = false;
  readonly #classes = new Map<string, object>();
  readonly #servesManyTasks: boolean;

  /** @param servesManyTasks each item then gets classes of its own, for their statics may change */
  constructor(servesManyTasks = false) {
    this.#servesManyTasks = servesManyTasks;
  }

  encode(value: unknown, rootName: string): Uint8Array {
    const options = { classesByKey: true, mapStack, lenientErrors: rootName === THROWN };
    return packGraph(writeGraph(value, rootName, options).graph);
  }

  decode(bytes: Uint8Array): unknown {
    return decodeGraph(bytes, this.#servesManyTasks ? new TaskLane() : this);
  }

  classOf(key: string): object | undefined {
    return this.#classes.get(key);
  }

  remember(key: string, ctor: object): void {
    this.#classes.set(key, ctor);
  }
}

/** A driver's lane, which can be taught the classes of a function that another process captured. */
export interface DriverGraphLane extends GraphLane {
  /** Is told of every value that is encoded: workers elsewhere must get what it imports. */
  onGraph: ((graph: Graph) => void) | undefined;
  /**
   * Makes the classes in a stored function known, so that results of a job which another process started can be
   * decoded here. The program's own classes of the same keys have precedence. Loads the modules that it imports.
   */
  learn(functionBytes: Uint8Array): Promise<void>;
}

/** Collects the classes of a function that is linked for their sake. */
class LearntClasses implements LinkScope {
  readonly attached = new Map<CompiledGraph, unknown>();
  readonly prefersLive = true;
  readonly #classes: Map<string, object>;

  constructor(classes: Map<string, object>) {
    this.#classes = classes;
  }

  classOf(): undefined {
    return undefined;
  }

  remember(key: string, ctor: object): void {
    this.#classes.set(key, ctor);
  }
}

/** The driver's lane: see `driverGraphLane`. */
class DriverLane implements DriverGraphLane, LinkScope {
  readonly attached = new Map<CompiledGraph, unknown>();
  readonly prefersLive = true;
  onGraph: ((graph: Graph) => void) | undefined;
  readonly #learnt = new Map<string, object>();

  encode(value: unknown, rootName: string): Uint8Array {
    const options = { attachClass: attachedClass, lenientErrors: rootName === THROWN };
    const { graph } = writeGraph(value, rootName, options);
    this.onGraph?.(graph);
    return packGraph(graph);
  }

  decode(bytes: Uint8Array): unknown {
    return decodeGraph(bytes, this, (reference) => liveReference(reference) !== undefined);
  }

  classOf(key: string): object | undefined {
    return classNames.valueOf(key) ?? this.#learnt.get(key);
  }

  async learn(functionBytes: Uint8Array): Promise<void> {
    const compiled = await compileGraph(functionBytes);
    const classes = new LearntClasses(this.#learnt);
    linkGraph(compiled, classes);
    takeUnready(); // its captured values are not wanted here
  }

  remember(): void {}
}

/**
 * The graph lane of a driver: encodes items, with the functions and class instances in them, and decodes results. A
 * class that the driver captured or sent comes back as that very class; one that it never saw comes by value or is
 * imported.
 */
export function driverGraphLane(): DriverGraphLane {
  return new DriverLane();
}

function decodeGraph(
  bytes: Uint8Array,
  scope: LinkScope,
  isHere?: (reference: ImportReference) => boolean,
): unknown {
  const compiled = compileGraph(bytes, isHere);
  return compiled instanceof Promise
    ? compiled.then((ready) => linkReady(ready, scope))
    : linkReady(compiled, scope);
}

/** A promise where the value holds handles whose bytes must be fetched first. */
function linkReady(compiled: CompiledGraph, scope: LinkScope): unknown {
  const value = linkGraph(compiled, scope);
  const ready = whenReady();
  return ready ? ready.then(() => value) : value;
}
