/**
 * Arguments that fit any parameter list: taken apart as objects or arrays, or called, they give more of their like,
 * so that no default expression runs and nothing throws.
 */
export function anyArguments(): readonly unknown[] {
  made ??= new Array<unknown>(PARAMETERS).fill(anything());
  return made;
}

let made: readonly unknown[] | undefined;

const PARAMETERS = 64;
const REST_ELEMENTS = 1_000;

function anything(): unknown {
  const proxy: unknown = new Proxy(() => {}, {
    get: (_target, key) => {
      if (key === Symbol.iterator || key === Symbol.asyncIterator) return () => iterator(proxy);
      if (key === Symbol.toPrimitive) return () => "";
      return key === "then" ? undefined : proxy;
    },
    apply: () => proxy,
    construct: () => proxy as object,
    has: () => true,
  });
  return proxy;
}

function iterator(value: unknown): Iterator<unknown> {
  let left = REST_ELEMENTS;
  return { next: () => (left-- > 0 ? { done: false, value } : { done: true, value: undefined }) };
}
