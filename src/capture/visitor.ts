import type { FunctionFacts, VariableUse } from "./facts.ts";
import { HANDLERS } from "./handlers.ts";
import { boundNames, childNodes, hoistedNames, lexicalNames, type SyntaxNode } from "./syntax.ts";

interface UseContext {
  readonly assigned?: boolean;
  readonly called?: boolean;
  readonly shorthand?: boolean;
}

/** Walks over a function or class and gathers its facts. */
export class Analysis {
  readonly facts: FunctionFacts = {
    free: new Map(),
    assigned: new Set(),
    escaping: new Set(),
    selfUses: [],
    selfAssigned: false,
    selfEscapes: false,
    usesThis: false,
    usesNewTarget: false,
    usesSuper: false,
    usesEval: false,
    writesProperties: false,
    metas: [],
    dynamicImports: [],
    privateNames: new Set(),
  };
  readonly #root: SyntaxNode;
  readonly #scopes: Set<string>[] = [];
  readonly #privateNames: Set<string>[] = [];
  /** The scope that holds nothing but the root's own name. */
  #selfScope: Set<string> | undefined;
  /** Only arrow functions so far: `this`, `arguments` and `new.target` are those of the outside. */
  #arrowsOnly = true;

  constructor(root: SyntaxNode) {
    this.#root = root;
  }

  visit(node: SyntaxNode | null | undefined): void {
    if (!node) return;
    const handler = HANDLERS[node.type];
    if (handler) handler(this, node);
    else for (const child of childNodes(node)) this.visit(child);
  }

  visitAll(nodes: readonly SyntaxNode[]): void {
    for (const node of nodes) this.visit(node);
  }

  use(node: SyntaxNode, context: UseContext = {}): void {
    const name: string = node["name"];
    const { assigned = false, called = false, shorthand = false } = context;
    const use: VariableUse = { start: node.start, end: node.end, called, shorthand };
    const scope = this.#scopes.findLast((names) => names.has(name));
    if (scope) {
      if (scope !== this.#selfScope) return;
      this.facts.selfUses.push(use);
      if (assigned) this.facts.selfAssigned = true;
      if (!called) this.facts.selfEscapes = true;
      return;
    }
    if (name === "arguments" && !this.#arrowsOnly) return;
    const uses = this.facts.free.get(name);
    if (uses) uses.push(use);
    else this.facts.free.set(name, [use]);
    if (assigned) this.facts.assigned.add(name);
    if (!called) this.facts.escaping.add(name);
  }

  isBound(name: string): boolean {
    return this.#scopes.some((names) => names.has(name));
  }

  within(names: Set<string>, work: () => void): void {
    this.#scopes.push(names);
    work();
    this.#scopes.pop();
  }

  /** Statements with a scope of their own. */
  block(statements: readonly SyntaxNode[]): void {
    const names = new Set<string>();
    lexicalNames(statements, names);
    this.within(names, () => this.visitAll(statements));
  }

  /** Expressions in a pattern; its identifiers are uses only where it assigns. */
  pattern(node: SyntaxNode | null | undefined, assigned: boolean, shorthand = false): void {
    if (!node) return;
    switch (node.type) {
      case "Identifier":
        if (assigned) this.use(node, { assigned: true, shorthand });
        return;
      case "ObjectPattern":
        for (const item of node["properties"]) {
          if (item.type === "RestElement") this.pattern(item.argument, assigned);
          else {
            if (item.computed) this.visit(item.key);
            this.pattern(item.value, assigned, item.shorthand);
          }
        }
        return;
      case "ArrayPattern":
        for (const item of node["elements"]) this.pattern(item, assigned);
        return;
      case "AssignmentPattern":
        this.pattern(node["left"], assigned, shorthand);
        this.visit(node["right"]);
        return;
      case "RestElement":
        this.pattern(node["argument"], assigned);
        return;
      default:
        if (assigned && node.type === "MemberExpression") this.facts.writesProperties = true;
        this.visit(node);
    }
  }

  target(node: SyntaxNode): void {
    if (node.type === "Identifier" || node.type.endsWith("Pattern")) this.pattern(node, true);
    else {
      this.facts.writesProperties = true;
      this.visit(node);
    }
  }

  callee(node: SyntaxNode): void {
    if (node.type === "Identifier") this.use(node, { called: true });
    else this.visit(node);
  }

  thisUsed(): void {
    if (this.#arrowsOnly) this.facts.usesThis = true;
  }

  newTargetUsed(): void {
    if (this.#arrowsOnly) this.facts.usesNewTarget = true;
  }

  privateNameUsed(name: string): void {
    if (!this.#privateNames.some((names) => names.has(name))) this.facts.privateNames.add(`#${name}`);
  }

  visitFunction(node: SyntaxNode): void {
    const before = this.#arrowsOnly;
    if (node.type !== "ArrowFunctionExpression") this.#arrowsOnly = false;
    const own = new Set<string>();
    if (node["id"] && node.type === "FunctionExpression") own.add(node["id"].name);
    if (node === this.#root) this.#selfScope = own;
    const names = new Set<string>();
    for (const parameter of node["params"]) boundNames(parameter, names);
    hoistedNames(node["body"], names);
    const isBlock = node["body"].type === "BlockStatement";
    if (isBlock) lexicalNames(node["body"].body, names);
    this.within(own, () =>
      this.within(names, () => {
        for (const parameter of node["params"]) this.pattern(parameter, false);
        if (isBlock) this.visitAll(node["body"].body);
        else this.visit(node["body"]);
      }),
    );
    this.#arrowsOnly = before;
  }

  visitClass(node: SyntaxNode): void {
    // Of the class that is sent itself, heritage, computed keys and statics are read from the live class.
    const isRoot = node === this.#root;
    const own = new Set<string>(node["id"] ? [node["id"].name] : []);
    const members: SyntaxNode[] = node["body"].body;
    const privates = new Set<string>();
    for (const member of members)
      if (member["key"]?.type === "PrivateIdentifier") privates.add(member["key"].name);
    this.within(own, () => {
      if (!isRoot) this.visit(node["superClass"]);
      this.#privateNames.push(privates);
      for (const member of members) {
        if (member["computed"] && !isRoot) this.visit(member["key"]);
        const isStaticPart =
          member.type === "StaticBlock" || (member["static"] && member.type === "PropertyDefinition");
        if (!(isRoot && isStaticPart)) this.#visitMember(member);
      }
      this.#privateNames.pop();
    });
  }

  #visitMember(member: SyntaxNode): void {
    const before = this.#arrowsOnly;
    this.#arrowsOnly = false;
    if (member.type === "StaticBlock") {
      const names = new Set<string>();
      for (const statement of member["body"]) hoistedNames(statement, names);
      lexicalNames(member["body"], names);
      this.within(names, () => this.visitAll(member["body"]));
    } else this.visit(member["value"]);
    this.#arrowsOnly = before;
  }

  visitLoop(node: SyntaxNode): void {
    const head: SyntaxNode | null = node["init"] ?? node["left"] ?? null;
    const names = new Set<string>();
    if (head?.type === "VariableDeclaration") lexicalNames([head], names);
    this.within(names, () => {
      if (head && head.type !== "VariableDeclaration" && node["left"]) this.target(head);
      else this.visit(head);
      for (const part of ["test", "update", "right", "body"]) this.visit(node[part]);
    });
  }
}
