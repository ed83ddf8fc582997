const { table } = require("./table.cjs");

const commonjsOnly = table("CommonJS only");
const { works, fails } = commonjsOnly;

works("require inside", () => require("lodash").head([7]) + require("./lib/dep.cjs").named, [], 48);
works("__filename, __dirname, module", () => [typeof __filename, typeof __dirname, typeof module.filename], [], ["string", "string", "string"]);
works(
  "sloppy: `this` is globalThis in a plain function",
  (() => {
    function f() {
      return this === globalThis;
    }
    return () => f();
  })(),
  [],
  true,
);
works("sloppy: with", (() => new Function("o", "return () => { with (o) { return p } }")({ p: 3 }))(), [], 3);
class Strict {
  method() {
    return (function () {
      return this;
    })();
  }
}
works("class bodies are strict in sloppy files", () => new Strict().method() === undefined, [], true);
works("a method of such a class alone is strict", new Strict().method.bind({}), [], undefined);
function strict() {
  "use strict";
  return function inner() {
    return this === undefined;
  };
}
works("functions in a strict function are strict", ((inner) => () => inner())(strict()), [], true);
const big = Array.from({ length: 2000 }, (_, id) => ({ id }));
works(
  "sloppy code that writes gets big data of its own",
  () => {
    big[0].id += 5;
    return big[0].id;
  },
  [],
  5,
);
let current = require("./lib/dep.cjs").named;
current += 1;
works("a required value assigned since", () => current, [], 42);

module.exports = { commonjsOnly };
