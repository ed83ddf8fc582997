// @ts-nocheck
import { table } from "./table.ts";

export const thisValue = table("this");
const { worksWhile, fails, failsWhile } = thisValue;

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
fails("its creator no longer runs", new Service().arrow(), /using `this`/);
failsWhile("this.#p in an arrow", (capture) => new Service().withPrivate(capture), /private name #p/);
