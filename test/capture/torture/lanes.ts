// @ts-nocheck
import { K, makeK, tag, tagged, untag } from "./lib/dep.ts";
import { table } from "./table.ts";

export const lanes = table("items and results");
const { works } = lanes;

class Pt {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }
  norm() {
    return Math.hypot(this.x, this.y);
  }
}
class Pt3 extends Pt {
  constructor(x, y, z) {
    super(x, y);
    this.z = z;
  }
}
works("instance in the item, its class captured too", (p) => [p instanceof Pt, p.norm(), p.constructor === Pt], [new Pt(3, 4)], [true, 5, true]);
works("instance in the item, its class not captured", (p) => p.norm(), [new Pt(3, 4)], 5);
works("instance of a subclass in the item", (p) => [p instanceof Pt, p.norm(), p.z], [new Pt3(3, 4, 5)], [true, 5, 5]);
works("instance in the result is the driver's class again", () => new Pt(1, 2), [], new Pt(1, 2));
works("instance of a subclass in the result", () => ({ list: [new Pt3(1, 2, 3)] }), [], { list: [new Pt3(1, 2, 3)] });
works("item returned as it came", (p) => p, [new Pt(5, 6)], new Pt(5, 6));
works("instance of an imported class in the item", (k) => [k.twice(), k instanceof K], [new K(4)], [8, true]);
works("instance of an imported class in the result", () => new K(7), [], new K(7));
works("instance of a class that only its module knows", () => makeK(8), [], makeK(8));
const make = () => makeK(9);
works("the same, by way of a helper", () => [make()], [], [new K(9)]);
works("class in the result", () => Pt, [], Pt);
works("class in the item", (C) => new C(6, 8).norm() + (C === Pt), [Pt], 11);
works("imported class in item and result", (C) => [C === K, C], [K], [true, K]);
const Mixin = (B) => class extends B {};
const MixedA = Mixin(Pt);
const MixedB = Mixin(Pt);
works("instances of two classes of one mixin", () => [new MixedA(1, 2), new MixedB(1, 2)], [], [new MixedA(1, 2), new MixedB(1, 2)]);
works("function in the item", (f) => f(2), [(x) => x * 3], 6);
const factor = 5;
works("closure in the item", (f) => f(2), [(x) => x * factor], 10);
works("method of an object in the item", (o) => o.m(2), [{ k: 3, m(x) { return x * this.k; } }], 6);
const local = Symbol("local");
works("unique symbol in function, item and result", (o) => [o[local], local in o, { [local]: 2 }[local]], [{ [local]: 1 }], [1, true, 2]);
works("unique symbol in the result", (o) => ({ ...o, [local]: 3 }), [{ a: 1 }], { a: 1, [local]: 3 });
works("unique symbol of a module in item and result", (o) => [untag(o), tagged(2)], [tagged(1)], [1, tagged(2)]);
const error = () => new TypeError("bad", { cause: new RangeError("why") });
works("error in the result", () => { const e = error(); delete e.stack; delete e.cause.stack; return e; }, [], (() => { const e = error(); delete e.stack; delete e.cause.stack; return e; })());
class Failure extends Error {
  constructor(message, code) {
    super(message);
    this.name = "Failure";
    this.code = code;
  }
}
works("subclass of Error in item and result", (e) => [e instanceof Failure, e.code, e.message, e], [new Failure("no", 3)], [true, 3, "no", new Failure("no", 3)]);
class Priv {
  #n = 1;
  #list = [];
  inc() {
    this.#n++;
    this.#list.push(this.#n);
    return this;
  }
  state() {
    return [this.#n, this.#list];
  }
}
works("private fields in the item", (p) => p.inc().state(), [new Priv().inc()], [3, [2, 3]]);
works("private fields in the item, class captured", (p) => [p instanceof Priv, ...p.inc().state()], [new Priv()], [true, 2, [2]]);
works("cycle through an instance", (o) => o.self.self === o && o.p.norm(), [(() => { const o = { p: new Pt(3, 4) }; o.self = o; return o; })()], 5);
works("same object twice in the item", (a) => a[0] === a[1], [(() => { const p = new Pt(1, 1); return [p, p]; })()], true);
works("Map and Set of instances", (m) => [...m.get("s")][0].norm(), [new Map([["s", new Set([new Pt(3, 4)])]])], 5);
works("class made by the task: no one else's", () => { class Inner { v = 1; } return new Inner().v; }, [], 1);
works("statics of an item's class are fresh for each task", (C) => ++C.count, [class Counted { static count = 1; }], 2);
works("private fields in the result", () => new Priv().inc(), [], new Priv().inc());
