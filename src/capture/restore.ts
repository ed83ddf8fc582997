import type { GraphLane } from "../codec/contract.ts";
import { nameAsWorker } from "../codec/graph/identity.ts";
import { type CompiledGraph, compileGraph } from "./compiled.ts";
import type { FunctionInstance, RestoredFunction } from "./contract.ts";
import { TaskLane } from "./lanes.ts";
import { linkGraph } from "./link.ts";

/**
 * Restores a captured function in a worker: compiles its code and loads the modules that it imports. `instance()` is
 * then free where nothing captured can change, and otherwise links the small captured objects anew.
 *
 * @throws StoreError if the bytes are damaged or of a newer Kinglet; what the imported modules throw
 */
export async function restoreFunction(bytes: Uint8Array): Promise<RestoredFunction> {
  nameAsWorker();
  const compiled = await compileGraph(bytes);
  return new Restored(compiled);
}

/** The graph lane of a worker outside of any function: for values that need no class of a task. */
export function workerGraphLane(): GraphLane {
  nameAsWorker();
  return new TaskLane(true);
}

class Restored implements RestoredFunction {
  readonly name: string;
  readonly #compiled: CompiledGraph;
  #closed: FunctionInstance | undefined;

  constructor(compiled: CompiledGraph) {
    this.#compiled = compiled;
    this.name = compiled.graph.table.name;
  }

  instance(): FunctionInstance {
    if (this.#closed) return this.#closed;
    const { closed } = this.#compiled.graph.table;
    const scope = new TaskLane(closed);
    const call = linkGraph(this.#compiled, scope);
    if (typeof call !== "function") {
      const [specifier] = this.#compiled.graph.table.imports.map((record) => record.specifier);
      throw new TypeError(
        `the export "${this.name || "default"}" of ${specifier} is not a function: it is ${typeof call}`,
      );
    }
    const instance: FunctionInstance = { call: call as FunctionInstance["call"], scope };
    if (closed) this.#closed = instance;
    return instance;
  }
}
