import type { Graph } from "../codec/graph/envelope.ts";
import type { GraphTable, Ref } from "../codec/graph/nodes.ts";
import { type CaptureChoices, TryAgain } from "./context.ts";
import { emitCode } from "./emit.ts";
import { FunctionWriter, type FunctionWriterOptions, type ProcessKnowledge } from "./function-writer.ts";
import { type Inspector, openInspector } from "./inspector.ts";
import { KnownExports } from "./known-exports.ts";
import { Scripts } from "./scripts.ts";

let knowledge: ProcessKnowledge | undefined;

export interface WrittenGraph {
  readonly graph: Graph;
  readonly capture: FunctionWriter;
}

/** A retry leaves one more thing out, or takes another way for it: there are never many. */
const TRIES = 1_000;

/**
 * Writes the graph of a value with all functions and classes in it.
 *
 * @throws CaptureError, UnserializableError naming what can't be sent
 */
export function writeGraph(
  root: unknown,
  rootName: string,
  options: FunctionWriterOptions,
  describe: (capture: FunctionWriter, root: Ref) => Partial<GraphTable> = () => ({}),
): WrittenGraph {
  knowledge ??= gather(openInspector());
  const known = knowledge;
  const choices: CaptureChoices = { recipes: new Set(), byValue: new Set(), leftOut: new Map() };
  return known.inspector.using(() => {
    for (let attempt = 0; ; attempt++) {
      const capture = new FunctionWriter(known, choices, options);
      try {
        const ref = capture.write(root, rootName);
        const code = emitCode(capture);
        const table: GraphTable = {
          nodes: capture.writer.nodes,
          root: ref,
          imports: capture.imports.records,
          code,
          plainBody: capture.writer.plainBody,
          plainShared: false,
          attached: capture.attached,
          closed: false,
          name: "",
          ...describe(capture, ref),
        };
        return { graph: { table, bodies: capture.writer.bodies }, capture };
      } catch (error) {
        if (!(error instanceof TryAgain) || attempt >= TRIES) throw error;
      }
    }
  });
}

function gather(inspector: Inspector): ProcessKnowledge {
  const scripts = new Scripts(inspector);
  return { inspector, scripts, exports: new KnownExports(inspector, scripts) };
}
