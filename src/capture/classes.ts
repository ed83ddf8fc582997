import { type ParsedFunction, parseFunction } from "./analyze.ts";
import type { Inspector } from "./inspector.ts";
import type { SyntaxNode } from "./syntax.ts";

/** Names of a class's private fields, in order; `any` is true also where it only has private methods. */
export function privateNames(parsed: ParsedFunction): { readonly any: boolean; readonly fields: string[] } {
  const fields: string[] = [];
  let any = false;
  for (const member of classMembers(parsed.node)) {
    if (member["key"]?.type !== "PrivateIdentifier" || member["static"]) continue;
    any = true;
    if (member.type === "PropertyDefinition") fields.push(member["key"].name);
  }
  return { any, fields };
}

export function classMembers(node: SyntaxNode): SyntaxNode[] {
  return node.type === "ClassExpression" || node.type === "ClassDeclaration" ? node["body"].body : [];
}

/** Classes of an instance that are written in JavaScript, base class first. */
export function classChain(prototype: object | null): object[] {
  const chain: object[] = [];
  for (let owner = prototype; owner; owner = Object.getPrototypeOf(owner) as object | null) {
    const ctor: unknown = Object.getOwnPropertyDescriptor(owner, "constructor")?.value;
    if (typeof ctor === "function" && /^class\b/.test(textOf(ctor))) chain.unshift(ctor);
  }
  return chain;
}

export function textOf(fn: object): string {
  return Function.prototype.toString.call(fn);
}

/** The private fields of an instance by class, base class first; undefined if its classes have none. */
export function readPrivates(
  instance: object,
  inspector: Inspector,
): { readonly ctor: object; readonly names: string[]; readonly values: unknown[] }[] | undefined {
  const classes = classChain(Object.getPrototypeOf(instance) as object | null).map((ctor) => {
    const text = textOf(ctor);
    const names = text.includes("#") ? privateNames(parseFunction(text)) : { any: false, fields: [] };
    return { ctor, ...names };
  });
  if (!classes.some(({ any }) => any)) return undefined;
  // Fields of base classes come first; methods stand among them.
  const found = inspector.privateFields(instance);
  const take = (name: string): unknown => {
    const index = found.findIndex((field) => field.name === `#${name}`);
    return index < 0 ? undefined : found.splice(index, 1)[0]!.value;
  };
  return classes
    .filter(({ any }) => any)
    .map(({ ctor, fields }) => {
      return { ctor, names: fields, values: fields.map(take) };
    });
}
