import {
  boundNames,
  childNodes,
  hoistedNames,
  lexicalNames,
  parseSource,
  type SyntaxNode,
} from "./syntax.ts";

/** One use of a variable. Offsets are those of the parsed text. */
export interface VariableUse {
  readonly start: number;
  readonly end: number;
  /** `{ name }`: replacing it needs `name: …`. */
  readonly shorthand: boolean;
  /** `name(…)` or a template's tag: replacing it must not pass a `this`. */
  readonly called: boolean;
}

/** What a function needs of its surroundings. */
export interface FunctionFacts {
  /** Variables of the outside, with their uses. */
  readonly free: Map<string, VariableUse[]>;
  /** Of these, the ones it assigns. */
  readonly assigned: Set<string>;
  /** Of these, the ones used otherwise than by calling them. */
  readonly escaping: Set<string>;
  /** Uses of the function's own name, which are not in `free`. */
  readonly selfUses: VariableUse[];
  selfAssigned: boolean;
  selfEscapes: boolean;
  usesThis: boolean;
  usesNewTarget: boolean;
  usesSuper: boolean;
  usesEval: boolean;
  /** It assigns or deletes properties: `a.b = 1`, `a[0]++`. */
  writesProperties: boolean;
  /** `import.meta` and `import(…)`. */
  readonly metas: SyntaxNode[];
  readonly dynamicImports: SyntaxNode[];
  /** Private names of classes around it. */
  readonly privateNames: Set<string>;
}

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

interface UseContext {
  readonly assigned?: boolean;
  readonly called?: boolean;
  readonly shorthand?: boolean;
}

class Analysis {
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

const nothing = (): void => {};

const HANDLERS: Record<string, (analysis: Analysis, node: SyntaxNode) => void> = {
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
