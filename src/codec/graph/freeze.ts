import { isDate, isMap, isSet } from "node:util/types";

/**
 * Freezes plain data to its depths, so that tasks can share it: writing throws a TypeError in strict code. Map, Set
 * and Date keep their contents in slots that `Object.freeze` doesn't reach, so their mutators are shadowed.
 */
export function freezeDeep(root: object): void {
  const stack: object[] = [root];
  for (let value = stack.pop(); value; value = stack.pop()) {
    if (Object.isFrozen(value) && !isEmpty(value)) continue;
    // Their bytes can't be frozen, and V8 refuses to try.
    if (ArrayBuffer.isView(value)) continue;
    if (Array.isArray(value)) pushObjects(value, stack);
    else if (isMap(value)) {
      pushObjects([...value.keys()], stack);
      pushObjects([...value.values()], stack);
      shadow(value, MAP_MUTATORS);
    } else if (isSet(value)) {
      pushObjects([...value], stack);
      shadow(value, SET_MUTATORS);
    } else if (isDate(value)) shadow(value, DATE_MUTATORS);
    else pushObjects(Object.values(value), stack);
    Object.freeze(value);
  }
}

const MAP_MUTATORS = ["set", "delete", "clear"];
const SET_MUTATORS = ["add", "delete", "clear"];
const DATE_MUTATORS = Object.getOwnPropertyNames(Date.prototype).filter((name) => name.startsWith("set"));

const refusals = new Map<string, () => never>();

function shadow(value: object, mutators: readonly string[]): void {
  for (const name of mutators) {
    let refuse = refusals.get(name);
    if (!refuse) {
      refuse = () => {
        throw new TypeError(
          `Cannot call ${name}: large captured data is shared by all tasks and read-only. Copy it first, or make it inside the function.`,
        );
      };
      refusals.set(name, refuse);
    }
    Object.defineProperty(value, name, { value: refuse });
  }
}

function pushObjects(values: readonly unknown[], stack: object[]): void {
  for (let k = 0; k < values.length; k++) {
    const value = values[k];
    if (typeof value === "object" && value !== null) stack.push(value);
  }
}

/** Of an empty frozen object it can't be told whether it was seen; looking again costs nothing. */
function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}
