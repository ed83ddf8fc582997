// @ts-nocheck
import { table } from "./table.ts";

export const thisValue = table("this");
const { works, worksWhile, failsWhile } = thisValue;

class Service {
  k = 5;
  #p = 2;
  run(capture) {
    return capture(async (x) => x + this.k);
  }
  viaHelper(capture) {
    return capture((x) => this.helper(x));
  }
  helper(x) {
    return x * this.k;
  }
  deep(capture) {
    return [1].map(() => capture((x) => this.k - x))[0];
  }
  arrow() {
    return (x) => x + this.k;
  }
  withPrivate(capture) {
    return capture((x) => x + this.#p);
  }
}
worksWhile("of the enclosing method", (capture) => new Service().run(capture), [1], 6);
worksWhile("a method of it", (capture) => new Service().viaHelper(capture), [2], 10);
worksWhile("of an arrow within an arrow", (capture) => new Service().deep(capture), [2], 3);
works("of an object whose method has returned", new Service().arrow(), [1], 6);
class Button {
  label = "ok";
  onClick = ({ times = 1 } = {}) => `${this.label} x${times}`;
  later = async (n) => {
    await null;
    return () => this.label + n;
  };
  static kind = () => this.name;
}
const button = new Button();
works("of an arrow in a class field", () => [button.onClick(), button.onClick({ times: 2 })], [], ["ok x1", "ok x2"]);
works("of an arrow in a class field, alone", button.onClick, [{ times: 3 }], "ok x3");
works("of an async arrow, and the arrow within", async (n) => (await button.later(n))(), [5], "ok5");
works("of an arrow in a static field", Button.kind, [], "Button");
works("is the same object for all that use it", () => {
  button.label = "new";
  return [button.onClick(), button.label];
}, [], ["new x1", "new"]);
function Old() {
  this.z = 1;
  this.read = () => this.z;
}
const old = new Old();
works("of an arrow in a constructor function", () => old.read() + ++old.z + old.read(), [], 5);
works("that is a primitive or undefined", function () { "use strict"; return [() => this]; }.call(5)[0], [], 5);
failsWhile("this.#p in an arrow", (capture) => new Service().withPrivate(capture), /private name #p/);
