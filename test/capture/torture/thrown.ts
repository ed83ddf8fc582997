// @ts-nocheck
import { ZodError, z } from "zod";
import { table } from "./table.ts";

export const thrown = table("errors thrown by tasks");
const { rejects } = thrown;

const all = (...checks) => checks.filter(([ok]) => !ok).map(([, what]) => what).join(", ");
class Failure extends Error {
  constructor(message, code, options) {
    super(message, options);
    this.name = "Failure";
    this.code = code;
  }
}
class Deep extends Failure {}
rejects(
  "the user's own class, code and cause",
  () => {
    throw new Deep("no", 3, { cause: new RangeError("why") });
  },
  [],
  (e) => all([e instanceof Deep && e instanceof Failure, "class"], [e.code === 3, "code"], [e.cause instanceof RangeError && e.cause.message === "why", "cause"], [e.message === "no", "message"], [e.name === "Failure", "name"]),
);
function boom(x) {
  const y = x + 1;
  if (y) throw new TypeError(`boom ${y}`);
}
/** `file:line:column` of the first frame. */
const place = (stack) => /\(?((?:file:\/\/)?\/[^\s()]*):(\d+):(\d+)\)?$/m.exec(stack).slice(1).join(":").replace(/^file:\/\//, "").replace(/\?[^:]*/, "");
const local = (() => {
  try {
    boom(1);
  } catch (e) {
    return place(e.stack);
  }
})();
rejects(
  "the stack leads to the user's own file, line and column",
  (x) => {
    boom(x);
  },
  [1],
  (e) => all([place(e.stack) === local, `stack begins at ${place(e.stack)} instead of ${local}`], [e.stack.startsWith("TypeError: boom 2"), "head"], [!/kinglet:/.test(e.stack), "internal frames"], [/at boom/.test(e.stack), "function name"]),
);
rejects(
  "AggregateError",
  async () => {
    await Promise.any([Promise.reject(new Failure("a", 1)), Promise.reject(2)]);
  },
  [],
  (e) => all([e instanceof AggregateError, "class"], [e.errors[0] instanceof Failure && e.errors[1] === 2, "errors"]),
);
rejects(
  "an error of Node's own",
  async () => {
    await import("node:fs").then((fs) => fs.promises.readFile("/no/such/file"));
  },
  [],
  (e) => all([e instanceof Error, "class"], [e.code === "ENOENT" && e.syscall === "open" && e.path === "/no/such/file", "properties"]),
);
rejects(
  "an error of Node's own with a class of its own",
  () => Buffer.alloc("x"),
  [],
  (e) => all([e instanceof TypeError, "class"], [e.code === "ERR_INVALID_ARG_TYPE", "code"], [String(e).startsWith("TypeError"), `text ${e}`]),
);
rejects(
  "an AssertionError",
  async () => (await import("node:assert")).strictEqual(1, 2),
  [],
  (e) => all([e.code === "ERR_ASSERTION" && e.actual === 1 && e.expected === 2, "properties"], [e.constructor.name === "AssertionError", "class"]),
);
rejects(
  "a DOMException",
  () => AbortSignal.abort().throwIfAborted(),
  [],
  (e) => all([e instanceof DOMException && e.name === "AbortError" && e.code === 20, "class"]),
);
rejects(
  "an error of a package",
  () => z.string().parse(5),
  [],
  (e) => all([e instanceof ZodError || e.name === "ZodError", "class"], [e.issues?.[0]?.code === "invalid_type", "issues"]),
);
rejects(
  "what can't be sent of an error is left out",
  async () => {
    const { Socket } = await import("node:net");
    throw Object.assign(new Error("lost"), { code: "E1", socket: new Socket(), config: { deep: new WeakMap(), url: "u" } });
  },
  [],
  (e) => all([e.message === "lost" && e.code === "E1", "properties"], [!("socket" in e), "socket"]),
);
rejects("a thrown value that is no error", () => { throw { status: 404 }; }, [], (e) => all([e.status === 404, "value"]));
rejects("undefined thrown", () => { throw undefined; }, [], (e) => all([e === undefined, "value"]));
rejects(
  "a class defined in the task",
  () => {
    class Local extends Error {
      hint = "try again";
    }
    throw new Local("here");
  },
  [],
  (e) => all([e instanceof Error && e.message === "here" && e.hint === "try again", "properties"], [e.constructor.name === "Local", "class"]),
);
rejects(
  "a stack that the user's code made",
  () => {
    const e = new Error("x");
    e.stack = "my own stack";
    throw e;
  },
  [],
  (e) => all([e.stack === "my own stack", "stack"]),
);
