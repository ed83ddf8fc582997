import { type Graph, packGraph } from "../codec/graph/envelope.ts";
import type { GraphTable, Ref } from "../codec/graph/nodes.ts";
import { emitCode } from "./emit.ts";
import {
  type CaptureChoices,
  FunctionWriter,
  type FunctionWriterOptions,
  TryAgain,
} from "./function-writer.ts";
import { type Inspector, openInspector } from "./inspector.ts";
import { Scripts } from "./scripts.ts";

/** The scripts seen so far are kept with their syntax: a second capture from one costs little. */
let scripts: { readonly inspector: Inspector; readonly scripts: Scripts } | undefined;

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
  const inspector = openInspector();
  if (scripts?.inspector !== inspector) scripts = { inspector, scripts: new Scripts(inspector) };
  const choices: CaptureChoices = { recipes: new Set(), byValue: new Set(), leftOut: new Map() };
  return inspector.using(() => {
    for (let attempt = 0; ; attempt++) {
      const capture = new FunctionWriter(inspector, scripts!.scripts, choices, options);
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
          attached: [],
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

export { packGraph };
