// @ts-nocheck
import type { OnlyType } from "./lib/types.ts";
import { table } from "./table.ts";

export const typescript = table("TypeScript, types erased");
const { works } = typescript;

interface Options {
  a: number;
}
const options: Options = { a: 1 };
works("types, as, satisfies, !", (x: number): number => ((x as number) + options!.a) satisfies number, [1], 2);
function generic<T extends OnlyType>(o: T): T["a"] {
  return o.a;
}
works("generic and a type-only import", () => generic<OnlyType>({ a: 3 }), [], 3);
abstract class Shape {
  abstract area(): number;
  private readonly id: number = 3;
  get ident() {
    return this.id;
  }
}
class Square extends Shape {
  s: number;
  constructor(s: number) {
    super();
    this.s = s;
  }
  area() {
    return this.s ** 2;
  }
}
const square = new Square(3);
works("abstract class, private readonly", () => [square.area(), square.ident], [], [9, 3]);
