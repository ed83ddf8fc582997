// @ts-nocheck
import { table } from "./table.ts";

export const transforms = table("TypeScript that is transformed");
const { works } = transforms;

enum Color {
  Red = 1,
  Blue,
}
const enum Constant {
  A = 7,
}
namespace Space {
  export const v = 5;
  export function f() {
    return v + Color.Blue;
  }
}
class Parameters {
  constructor(
    public a: number,
    private b = 2,
  ) {}
  sum() {
    return this.a + this.b;
  }
}
const parameters = new Parameters(1);
works("enum", () => [Color.Blue, Color[1], Constant.A], [], [2, "Red", 7]);
works("namespace", () => Space.f(), [], 7);
works("parameter properties", () => [parameters.sum(), new Parameters(5).sum()], [], [3, 7]);
