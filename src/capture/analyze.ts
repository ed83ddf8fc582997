import type { FunctionFacts } from "./facts.ts";
import { parseSource, type SyntaxNode } from "./syntax.ts";
import { Analysis } from "./visitor.ts";

export interface ParsedFunction {
  /** `expression`: the text is an expression as it stands; `method`, `member`: only in an object or class body. */
  readonly kind: "expression" | "method" | "member";
  /** The function, class, property or method definition. */
  readonly node: SyntaxNode;
  /** Where the text begins in what was parsed: subtract it from the tree's offsets. */
  readonly offset: number;
  readonly facts: FunctionFacts;
}

const FORMS: readonly (readonly [before: string, after: string, kind: ParsedFunction["kind"]])[] = [
  ["(function(){return(", ")})", "expression"],
  ["(function(){return({", "})})", "method"],
  ["(function(){return(class{", "})})", "member"],
];

const parsed = new Map<string, ParsedFunction>();
const PARSED_LIMIT = 2_000;

/**
 * Parses what `Function.prototype.toString` gave, and says what it needs.
 *
 * @throws SyntaxError
 */
export function parseFunction(text: string): ParsedFunction {
  const known = parsed.get(text);
  if (known) return known;
  let first: unknown;
  for (const sourceType of ["module", "script"] as const) {
    for (const [before, after, kind] of FORMS) {
      try {
        const body = parseSource(before + text + after, sourceType)["body"][0].expression.body;
        let node: SyntaxNode = body.body[0].argument;
        if (kind === "method") node = only(node["properties"]);
        if (kind === "member") node = only(node["body"].body);
        const facts = analyze(kind === "expression" ? node : node["value"]);
        const result: ParsedFunction = { kind, node, offset: before.length, facts };
        if (parsed.size >= PARSED_LIMIT) parsed.clear();
        parsed.set(text, result);
        return result;
      } catch (error) {
        first ??= error;
      }
    }
  }
  throw first;
}

function only(list: readonly SyntaxNode[]): SyntaxNode {
  if (list.length !== 1) throw new SyntaxError("not one definition");
  return list[0]!;
}

/** Facts of the function or class `root`. */
export function analyze(root: SyntaxNode): FunctionFacts {
  const analysis = new Analysis(root);
  analysis.visit(root);
  return analysis.facts;
}
