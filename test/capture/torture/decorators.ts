// @ts-nocheck
import { table } from "./table.ts";

export const decorators = table("decorators");

const prefixed = (method: any, _context: any) =>
  function (this: any, ...a: any[]) {
    return `deco:${method.apply(this, a)}`;
  };
class Decorated {
  @prefixed hi(x: number) {
    return x;
  }
}
const decorated = new Decorated();
decorators.works("method decorator", (x: number) => [decorated.hi(x), new Decorated().hi(2)], [1], ["deco:1", "deco:2"]);
