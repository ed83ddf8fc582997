import { boundNames, childNodes, lexicalNames, type SyntaxNode } from "./syntax.ts";
import type { Analysis } from "./visitor.ts";

const nothing = (): void => {};

/** What each kind of syntax node means to the analysis; all others are just walked through. */
export const HANDLERS: Record<string, (a: Analysis, node: SyntaxNode) => void> = {
  Identifier: (a, node) => a.use(node),
  PrivateIdentifier: (a, node) => a.privateNameUsed(node["name"]),
  ThisExpression: (a) => a.thisUsed(),
  Super: (a) => {
    a.facts.usesSuper = true;
  },
  MetaProperty: (a, node) => {
    if (node["meta"].name === "import") a.facts.metas.push(node);
    else a.newTargetUsed();
  },
  ImportExpression: (a, node) => {
    a.facts.dynamicImports.push(node);
    for (const child of childNodes(node)) a.visit(child);
  },
  CallExpression: (a, node) => {
    const callee: SyntaxNode = node["callee"];
    if (callee.type === "Identifier" && callee["name"] === "eval" && !a.isBound("eval"))
      a.facts.usesEval = true;
    a.callee(callee);
    a.visitAll(node["arguments"]);
  },
  TaggedTemplateExpression: (a, node) => {
    a.callee(node["tag"]);
    a.visit(node["quasi"]);
  },
  MemberExpression: (a, node) => {
    a.visit(node["object"]);
    if (node["computed"] || node["property"].type === "PrivateIdentifier") a.visit(node["property"]);
  },
  Property: (a, node) => {
    if (node["computed"]) a.visit(node["key"]);
    if (node["shorthand"] && node["value"].type === "Identifier") a.use(node["value"], { shorthand: true });
    else a.visit(node["value"]);
  },
  VariableDeclaration: (a, node) => {
    for (const declarator of node["declarations"]) {
      a.pattern(declarator.id, false);
      a.visit(declarator.init);
    }
  },
  AssignmentExpression: (a, node) => {
    a.target(node["left"]);
    a.visit(node["right"]);
  },
  UpdateExpression: (a, node) => a.target(node["argument"]),
  UnaryExpression: (a, node) => {
    if (node["operator"] === "delete") a.facts.writesProperties = true;
    a.visit(node["argument"]);
  },
  CatchClause: (a, node) => {
    const names = new Set<string>();
    boundNames(node["param"], names);
    a.within(names, () => {
      a.pattern(node["param"], false);
      a.visit(node["body"]);
    });
  },
  BlockStatement: (a, node) => a.block(node["body"]),
  Program: (a, node) => a.block(node["body"]),
  SwitchStatement: (a, node) => {
    a.visit(node["discriminant"]);
    const names = new Set<string>();
    for (const clause of node["cases"]) lexicalNames(clause.consequent, names);
    a.within(names, () => {
      for (const clause of node["cases"]) {
        a.visit(clause.test);
        a.visitAll(clause.consequent);
      }
    });
  },
  ForStatement: (a, node) => a.visitLoop(node),
  ForInStatement: (a, node) => a.visitLoop(node),
  ForOfStatement: (a, node) => a.visitLoop(node),
  LabeledStatement: (a, node) => a.visit(node["body"]),
  BreakStatement: nothing,
  ContinueStatement: nothing,
  FunctionDeclaration: (a, node) => a.visitFunction(node),
  FunctionExpression: (a, node) => a.visitFunction(node),
  ArrowFunctionExpression: (a, node) => a.visitFunction(node),
  ClassDeclaration: (a, node) => a.visitClass(node),
  ClassExpression: (a, node) => a.visitClass(node),
};
