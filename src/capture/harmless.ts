import { parseFunction } from "./analyze.ts";
import { classMembers, textOf } from "./classes.ts";
import { boundNames, isFunctionNode, type SyntaxNode } from "./syntax.ts";

/**
 * Whether making an instance of a class does nothing but fill that instance, whatever the arguments: then an instance
 * with private fields can be made for the sake of the fields.
 */
export interface ConstructionFacts {
  /** Field initialisers do nothing else. */
  readonly initialisers: boolean;
  /** The constructor does nothing else. */
  readonly constructor: boolean;
  readonly hasHeritage: boolean;
}

const known = new WeakMap<object, ConstructionFacts>();

export function constructionFacts(ctor: object): ConstructionFacts {
  let facts = known.get(ctor);
  if (!facts) {
    const { node } = parseFunction(textOf(ctor));
    const members = classMembers(node);
    const fields = members.filter((member) => member.type === "PropertyDefinition" && !member["static"]);
    const made = members.find((member) => member["kind"] === "constructor");
    facts = {
      initialisers: fields.every(({ value }) => !value || isPure(value, new Set())),
      constructor: !made || isHarmlessBody(made["value"]),
      hasHeritage: node["superClass"] !== null,
    };
    known.set(ctor, facts);
  }
  return facts;
}

function isHarmlessBody(fn: SyntaxNode): boolean {
  const own = new Set<string>();
  for (const parameter of fn["params"]) boundNames(parameter, own);
  return (fn["body"].body as SyntaxNode[]).every((statement) => isHarmless(statement, own));
}

/** `own`: names of what belongs to this call alone. */
function isHarmless(statement: SyntaxNode, own: Set<string>): boolean {
  switch (statement.type) {
    case "EmptyStatement":
      return true;
    case "BlockStatement":
      return (statement["body"] as SyntaxNode[]).every((inner) => isHarmless(inner, own));
    case "IfStatement":
      // The way around the constructor that restored classes have.
      if (statement["test"].object?.name === "$kinglet") return true;
      return (
        isPure(statement["test"], own) &&
        isHarmless(statement["consequent"], own) &&
        (!statement["alternate"] || isHarmless(statement["alternate"], own))
      );
    case "VariableDeclaration":
      return (statement["declarations"] as SyntaxNode[]).every(({ id, init }) => {
        if (init && !isPure(init, own)) return false;
        if (!init || isOwn(init, own)) boundNames(id, own);
        return true;
      });
    case "ExpressionStatement":
      return isHarmlessExpression(statement["expression"], own);
    default:
      return false;
  }
}

function isHarmlessExpression(node: SyntaxNode, own: Set<string>): boolean {
  if (node.type === "AssignmentExpression") {
    const target: SyntaxNode = node["left"];
    const isOfThis = target.type === "MemberExpression" && target["object"].type === "ThisExpression";
    return (
      isOfThis && !(target["computed"] && !isPure(target["property"], own)) && isPure(node["right"], own)
    );
  }
  if (node.type === "CallExpression" && node["callee"].type === "Super")
    return allPure(node["arguments"], own);
  return isPure(node, own);
}

const PURE_CLASSES =
  /^(Map|Set|WeakMap|WeakSet|Array|Object|Date|Error|URL|((Big)?(Ui|I)nt|Float)\d+(Clamped)?Array)$/;
const PURE_FUNCTIONS = /^(String|Number|Boolean|Symbol)$/;

/** Evaluating it has no effect but on what belongs to this call. */
function isPure(node: SyntaxNode, own: Set<string>): boolean {
  if (isFunctionNode(node)) return true;
  switch (node.type) {
    case "Literal":
    case "Identifier":
    case "ThisExpression":
      return true;
    case "TemplateLiteral":
      return allPure(node["expressions"], own);
    case "ArrayExpression":
      return allPure(node["elements"], own);
    case "ObjectExpression":
      return (node["properties"] as SyntaxNode[]).every((item) => {
        if (item.type === "SpreadElement") return isOwn(item["argument"], own);
        return !(item["computed"] && !isPure(item["key"], own)) && isPure(item["value"], own);
      });
    case "SpreadElement":
      return isOwn(node["argument"], own);
    case "UnaryExpression":
      return node["operator"] !== "delete" && isPure(node["argument"], own);
    case "BinaryExpression":
    case "LogicalExpression":
      return isPure(node["left"], own) && isPure(node["right"], own);
    case "ConditionalExpression":
      return allPure([node["test"], node["consequent"], node["alternate"]], own);
    case "ChainExpression":
    case "ParenthesizedExpression":
      return isPure(node["expression"], own);
    case "MemberExpression":
      return node["object"]["name"] === "$kinglet" || isOwn(node, own);
    case "NewExpression":
      return PURE_CLASSES.test(node["callee"].name ?? "") && allPure(node["arguments"], own);
    case "CallExpression":
      return isPureCall(node, own) && allPure(node["arguments"], own);
    default:
      return false;
  }
}

function isPureCall({ callee }: SyntaxNode, own: Set<string>): boolean {
  if (callee.type === "Identifier") return PURE_FUNCTIONS.test(callee["name"]);
  if (callee.type !== "MemberExpression") return false;
  // A method of `this` is the class's own code; one of a field of `this`, or of an argument, only sees those.
  return callee["object"].type !== "ThisExpression" && isOwn(callee["object"], own);
}

/** It was made by this call, or is an argument, which is a stand-in. */
function isOwn(node: SyntaxNode, own: Set<string>): boolean {
  if (node.type === "Identifier") return own.has(node["name"]);
  if (node.type === "ThisExpression") return true;
  if (node.type === "ArrayExpression" || node.type === "ObjectExpression" || node.type === "NewExpression")
    return isPure(node, own);
  if (node.type === "Literal" || node.type === "TemplateLiteral") return isPure(node, own);
  if (node.type === "ChainExpression") return isOwn(node["expression"], own);
  if (node.type === "CallExpression") return isPure(node, own);
  if (node.type !== "MemberExpression") return false;
  return isOwn(node["object"], own) && !(node["computed"] && !isPure(node["property"], own));
}

function allPure(nodes: readonly (SyntaxNode | null)[], own: Set<string>): boolean {
  return nodes.every((node) => node === null || isPure(node, own));
}
