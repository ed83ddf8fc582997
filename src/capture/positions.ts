import module from "node:module";
import path from "node:path";
import { pathOf } from "./urls.ts";

/** A place in the user's own file; line and column from 0. */
export interface SourcePosition {
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

/** Leads from what V8 runs to what the user wrote, where these differ. */
export interface PositionMap {
  originalOf(line: number, column: number): SourcePosition | undefined;
}

/** The map of a script, if it has one: Node's, one in the script itself, or vitest's. */
export function positionMapOf(script: {
  readonly url: string;
  readonly filePath: string;
  readonly source: string;
  readonly isVite: boolean;
}): PositionMap | undefined {
  const found =
    module.findSourceMap(script.filePath) ?? module.findSourceMap(script.url) ?? inlineMap(script.source);
  if (found) return fromSourceMap(found, script.filePath);
  return script.isVite ? fromStackPreparer(script.filePath) : undefined;
}

function fromSourceMap(map: module.SourceMap, filePath: string): PositionMap {
  return {
    originalOf(line, column) {
      const entry = map.findEntry(line, column);
      if (!("originalLine" in entry) || entry.originalLine === undefined) return undefined;
      const source = entry.originalSource ? resolveSource(entry.originalSource, filePath) : filePath;
      return { path: source, line: entry.originalLine, column: entry.originalColumn };
    },
  };
}

function inlineMap(source: string): module.SourceMap | undefined {
  const comment =
    /\/\/[#@] sourceMappingURL=data:application\/json[^,]*;base64,([A-Za-z0-9+/=]+)\s*\}*\s*$/.exec(source);
  if (!comment) return undefined;
  try {
    return new module.SourceMap(JSON.parse(Buffer.from(comment[1]!, "base64").toString()));
  } catch {
    return undefined;
  }
}

function resolveSource(source: string, scriptPath: string): string {
  if (source.startsWith("file:")) return pathOf(source);
  return path.isAbsolute(source) ? source : path.resolve(path.dirname(scriptPath), source);
}

/** Vitest keeps its maps to itself, but maps stacks: it is given one with a single frame. */
function fromStackPreparer(filePath: string): PositionMap | undefined {
  const { prepareStackTrace } = Error;
  if (!prepareStackTrace) return undefined;
  return {
    originalOf(line, column) {
      try {
        const stack: unknown = prepareStackTrace(new Error("here"), [
          frameAt(filePath, line + 1, column + 1),
        ]);
        const place = /\(?([^\s()]+):(\d+):(\d+)\)?\s*$/.exec(String(stack));
        return place
          ? { path: pathOf(place[1]!), line: Number(place[2]) - 1, column: Number(place[3]) - 1 }
          : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

function frameAt(filePath: string, line: number, column: number): NodeJS.CallSite {
  const none = (): null => null;
  const no = (): boolean => false;
  const frame = {
    getThis: none,
    getTypeName: none,
    getFunction: none,
    getFunctionName: none,
    getMethodName: none,
    getFileName: () => filePath,
    getLineNumber: () => line,
    getColumnNumber: () => column,
    getEvalOrigin: none,
    isToplevel: () => true,
    isEval: no,
    isNative: no,
    isConstructor: no,
    isAsync: no,
    isPromiseAll: no,
    getPromiseIndex: none,
    getScriptNameOrSourceURL: () => filePath,
    getScriptHash: () => "",
    getEnclosingColumnNumber: () => column,
    getEnclosingLineNumber: () => line,
    getPosition: () => 0,
    toString: () => `${filePath}:${line}:${column}`,
  };
  // Like V8's own, it inherits its methods.
  return Object.create(frame) as NodeJS.CallSite;
}
