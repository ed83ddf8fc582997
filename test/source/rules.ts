import type { Edge, SourceGraph } from "./graph.ts";

/**
 * The layers of design §3, from the lowest to the highest: a file imports from its own layer or from those before
 * it. A pattern is a folder (`job/`) or a file (`job.ts`); the first that matches decides.
 */
export type Layers = readonly (readonly string[])[];

const matches = (pattern: string, file: string): boolean =>
  pattern.endsWith("/") ? file.startsWith(pattern) : file === pattern;

/** Number of the layer, or undefined for a file that no pattern names. */
export function layerOf(file: string, layers: Layers): number | undefined {
  const index = layers.findIndex((patterns) => patterns.some((pattern) => matches(pattern, file)));
  return index < 0 ? undefined : index;
}

export function filesWithoutLayer(graph: SourceGraph, layers: Layers): string[] {
  return [...graph.files.keys()].filter((file) => layerOf(file, layers) === undefined).sort();
}

/** Imports, of types too, that point from a lower layer to a higher one. */
export function upwardImports(graph: SourceGraph, layers: Layers): string[] {
  const rank = (file: string) => layerOf(file, layers) ?? Number.NaN;
  return graph.edges.filter((edge) => rank(edge.to) > rank(edge.from)).map(show);
}

const show = (edge: Edge): string => `${edge.from} imports ${edge.to}`;

export interface Backend {
  readonly files: RegExp;
  readonly namedBy: readonly string[];
}

/** Imports of a backend's files, of types too, from outside its folder by files that may not. */
export function backendsNamedElsewhere(graph: SourceGraph, backends: readonly Backend[]): string[] {
  const wrong = backends.flatMap(({ files, namedBy }) =>
    graph.edges.filter(({ from, to }) => files.test(to) && !files.test(from) && !namedBy.includes(from)),
  );
  return wrong.map(show).sort();
}

/** Import cycles of values, each as the way around it. Cycles of types alone are gone at run time, and allowed. */
export function importCycles(graph: SourceGraph): string[][] {
  const next = new Map<string, string[]>();
  for (const { from, to, typeOnly } of graph.edges) {
    if (typeOnly) continue;
    const targets = next.get(from);
    if (targets) targets.push(to);
    else next.set(from, [to]);
  }
  const cycles: string[][] = [];
  const finished = new Set<string>();
  const way: string[] = [];
  const visit = (file: string): void => {
    if (finished.has(file)) return;
    const at = way.indexOf(file);
    if (at >= 0) {
      cycles.push([...way.slice(at), file]);
      return;
    }
    way.push(file);
    for (const target of next.get(file) ?? []) visit(target);
    way.pop();
    finished.add(file);
  };
  for (const file of graph.files.keys()) visit(file);
  return cycles;
}

/** Files that no entry reaches, by imports of values or types. */
export function deadFiles(graph: SourceGraph, entries: readonly string[]): string[] {
  const alive = new Set<string>(entries);
  for (const file of alive) {
    for (const edge of graph.edges) if (edge.from === file) alive.add(edge.to);
  }
  return [...graph.files.keys()].filter((file) => !alive.has(file)).sort();
}

/** Files of more than `limit` lines that `exceptions` doesn't name with a greater number. */
export function longFiles(
  graph: SourceGraph,
  limit: number,
  exceptions: Readonly<Record<string, { readonly lines: number; readonly why: string }>>,
): string[] {
  const found: string[] = [];
  for (const [file, text] of graph.files) {
    const lines = text.trimEnd().split("\n").length;
    if (lines > (exceptions[file]?.lines ?? limit)) found.push(`${file} has ${lines} lines`);
  }
  return found.sort();
}
