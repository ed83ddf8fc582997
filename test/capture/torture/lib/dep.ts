// @ts-nocheck
export const named = 41;
export default function def(x) {
  return `def${x}`;
}
export let counter = 5;
export function bump() {
  return ++counter;
}
export const tag = Symbol("tag");
export function tagged(value) {
  return { [tag]: value };
}
export function untag(object) {
  return object[tag];
}
export class K {
  v;
  constructor(v) {
    this.v = v;
  }
  twice() {
    return this.v * 2;
  }
}
export const make = () => {
  let n = 0;
  return () => ++n;
};
export const makeK = (v) => new K(v);
