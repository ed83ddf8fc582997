import { anyArguments } from "./any-arguments.ts";
import type { CodeUnit } from "./code-unit.ts";
import type { Inspector } from "./inspector.ts";

/**
 * The `this` of an arrow function, which is no variable of its scopes: the function is entered, halted before its
 * first statement, and asked. Nothing of its body runs.
 */
export function findThis(unit: CodeUnit, inspector: Inspector): { readonly value: unknown } | undefined {
  let found: { value: unknown } | undefined;
  const enter = () => Reflect.apply(unit.fn as () => unknown, undefined, anyArguments() as unknown[]);
  inspector.withDebugger(() =>
    inspector.atEntry(unit.fn!, enter, (frame) => {
      found = inspector.evaluateIn(frame, "this");
    }),
  );
  return found;
}
