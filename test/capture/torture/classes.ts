// @ts-nocheck
import { table } from "./table.ts";

export const classes = table("classes");
const { works } = classes;

class St {
  static base = 10;
  static mul(x) {
    return x * 3;
  }
  static #hid = 4;
  static hid() {
    return St.#hid + St.base;
  }
  static {
    St.late = St.base + 1;
  }
}
works("static method", (x) => St.mul(x), [3], 9);
works("statics, private static, static block", () => [St.hid(), St.late], [], [14, 11]);
works("statics are fresh for each task", () => ++St.base, [], 11);
class Pt {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }
  norm() {
    return Math.hypot(this.x, this.y);
  }
  get sum() {
    return this.x + this.y;
  }
  static of(a) {
    return new Pt(a, a);
  }
}
const pt = new Pt(3, 4);
works("instance", () => [pt.norm(), pt.sum, pt instanceof Pt, pt.constructor === Pt, Pt.of(2).x], [], [5, 7, true, true, 2]);
works("static method as the function itself", St.mul, [3], 9);
let made = 0;
class Priv {
  #id = ++made;
  #n;
  #log = [];
  constructor(n) {
    this.#n = n;
    this.#log.push("made");
  }
  inc() {
    this.#n++;
    this.#log.push("inc");
    return this;
  }
  get n() {
    return this.#n;
  }
  log() {
    return this.#log.join();
  }
  #secret() {
    return `s${this.#n}`;
  }
  secret() {
    return this.#secret();
  }
  id() {
    return this.#id;
  }
  static is(o) {
    return #n in o;
  }
}
const priv = new Priv(7).inc();
works("private fields", () => [priv.n, priv.inc().n, priv.log(), priv.secret(), Priv.is(priv), new Priv(1).n], [], [8, 9, "made,inc,inc", "s9", true, 1]);
works("rebuilding an instance runs no initialiser", () => [made, priv.id(), new Priv(1).id()], [], [1, 1, 2]);
class Strict {
  #v;
  constructor({ v }, [w]) {
    if (typeof v !== "number") throw new Error("no number");
    this.#v = v + w;
  }
  get v() {
    return this.#v;
  }
}
const strict = new Strict({ v: 1 }, [2]);
works("private fields behind a constructor that takes its arguments apart", () => strict.v, [], 3);
class Animal {
  #name;
  constructor(name) {
    this.#name = name;
  }
  hello() {
    return `I am ${this.#name}`;
  }
}
class Dog extends Animal {
  #age = 2;
  constructor(n) {
    super(n);
    this.b = 1;
  }
  hello() {
    return `${super.hello()}, dog ${this.#age}`;
  }
}
const rex = new Dog("Rex");
works("class extends class, private fields in both", () => [rex.hello(), rex instanceof Animal, new Dog("Z").hello(), rex.b], [], [
  "I am Rex, dog 2",
  true,
  "I am Z, dog 2",
  1,
]);
const Mixin = (B) =>
  class extends B {
    mixed() {
      return `mixed ${this.x}`;
    }
  };
class Mixed extends Mixin(Pt) {}
const mx = new Mixed(1, 2);
works("mixin", () => [mx.mixed(), mx.norm() > 2], [], ["mixed 1", true]);
const MixedTwice = [Mixin(Pt), Mixin(St)];
works("one mixin applied twice gives two classes", () => MixedTwice.map((M) => Object.getPrototypeOf(M).name), [], ["Pt", "St"]);
class MyMap extends Map {
  getOr(k, d) {
    return this.has(k) ? this.get(k) : d;
  }
}
const mm = new MyMap([["a", 1]]);
works("subclass of Map", () => [mm.getOr("a", 0), mm.getOr("b", 5), mm instanceof Map, mm.size], [], [1, 5, true, 1]);
class PrivMap extends Map {
  #hits = 3;
  hit() {
    return ++this.#hits;
  }
}
const pm = new PrivMap([["a", 1]]);
works("subclass of Map with a private field", () => [pm.hit(), pm.get("a"), pm.size], [], [4, 1, 1]);
class MyArray extends Array {
  last() {
    return this[this.length - 1];
  }
}
const list = MyArray.of(1, 2, 3);
works("subclass of Array", () => [list.last(), list.length, list.map((x) => x * 2) instanceof MyArray], [], [3, 3, true]);
class MyBytes extends Uint8Array {
  sum() {
    return this.reduce((x, y) => x + y, 0);
  }
}
const own = MyBytes.of(1, 2, 3);
works("subclass of a typed array", () => [own.sum(), own instanceof MyBytes], [], [6, true]);
class MyErr extends Error {
  constructor(m, code) {
    super(m);
    this.code = code;
    this.name = "MyErr";
  }
}
const myErr = new MyErr("bad", 7);
works(
  "subclass of Error",
  () => [
    myErr instanceof MyErr,
    myErr.code,
    myErr.message,
    (() => {
      try {
        throw new MyErr("x", 1);
      } catch (e) {
        return e.code;
      }
    })(),
  ],
  [],
  [true, 7, "bad", 1],
);
works(
  "class expression",
  ((C2) => () => new C2().v())(
    class {
      v() {
        return "anon";
      }
    },
  ),
  [],
  "anon",
);
class CK {
  ["a" + 1]() {
    return 1;
  }
  static ["b" + 2]() {
    return 2;
  }
  [Symbol.iterator]() {
    return [7, 8][Symbol.iterator]();
  }
  get ["g" + 3]() {
    return 3;
  }
}
works(
  "computed keys",
  () => {
    const c = new CK();
    return [c.a1(), CK.b2(), [...c], c.g3];
  },
  [],
  [1, 2, [7, 8], 3],
);
function OldStyle(n) {
  this.n = n;
}
OldStyle.prototype.twice = function () {
  return this.n * 2;
};
const old = new OldStyle(4);
works("constructor function and prototype", () => [old.twice(), old instanceof OldStyle, new OldStyle(1).twice()], [], [8, true, 2]);
class Patched {
  hi() {
    return "old";
  }
}
Patched.prototype.hi = () => "new";
works("method replaced since", () => new Patched().hi(), [], "new");
class Lazy {
  static #cache = new Map();
  static get(k) {
    if (!Lazy.#cache.has(k)) Lazy.#cache.set(k, new Lazy());
    return Lazy.#cache.get(k);
  }
}
const lazyA = Lazy.get("a");
works("instances in a private static", () => [Lazy.get("a") === lazyA, Lazy.get("b") === lazyA], [], [true, false]);
