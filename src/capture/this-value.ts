import type { CodeUnit } from "./code-unit.ts";
import type { Inspector } from "./inspector.ts";

/**
 * The `this` of an arrow function. V8 doesn't show it, but its creator is mostly still running, since it is who
 * called `map`: a pause of a moment shows the creator's frame.
 */
export function findCreatorThis(
  unit: CodeUnit,
  inspector: Inspector,
): { readonly value: unknown } | undefined {
  const creator = unit.found?.parents.findLast(
    (node) => node.type === "FunctionDeclaration" || node.type === "FunctionExpression",
  );
  if (!creator) return undefined;
  let found: { value: unknown } | undefined;
  inspector.atPause((frames) => {
    for (const frame of frames) {
      const begin = frame.functionLocation;
      if (begin?.scriptId !== unit.location.scriptId) continue;
      const offset = (unit.script.syntax.lines[begin.lineNumber] ?? 0) + (begin.columnNumber ?? 0);
      // The head of the function, up to its body; V8 counts a method's name in, the syntax tree doesn't.
      if (offset > creator["body"].start || offset < creator.start - METHOD_NAME_LENGTH) continue;
      found = { value: inspector.thisOf(frame) };
      break;
    }
  });
  return found;
}

const METHOD_NAME_LENGTH = 40;
