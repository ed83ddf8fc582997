import type { Debugger, Runtime, Session } from "node:inspector";
import { CaptureError } from "../errors.ts";

/** Where a function's code begins: script, line and column from 0. */
export interface CodeLocation {
  readonly scriptId: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

/** One scope of a function's chain: a copy of its variables, made when it was asked for. */
export interface Scope {
  /** `Closure (name)`, `Block`, `Module`, `Global`… */
  readonly kind: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Undefined in the temporal dead zone. */
export function readInitialised(scope: Scope, name: string): unknown {
  try {
    return scope.variables[name];
  } catch {
    return undefined;
  }
}

/** What V8 knows of a function. */
export interface FunctionDetails {
  readonly location: CodeLocation | undefined;
  /** From the innermost scope to the outermost. */
  scopes(): Scope[];
  /** Of a bound function. */
  readonly bound:
    | { readonly target: object; readonly self: unknown; readonly args: readonly unknown[] }
    | undefined;
}

/** The published types leave private fields out. */
interface PropertiesAnswer extends Runtime.GetPropertiesReturnType {
  readonly privateProperties?: { name: string; value?: Runtime.RemoteObject; get?: unknown; set?: unknown }[];
}

/** Where values are handed over between this code and the inspector, seen from every realm of the process. */
const MAILBOX = Symbol.for("kinglet.mailbox");
const MAILBOX_EXPRESSION = 'process.getBuiltinModule("node:inspector")[Symbol.for("kinglet.mailbox")]';
const OBJECT_GROUP = "kinglet";

/**
 * V8's inspector, in this process: reads the live values that functions hold. Its Debugger domain makes every
 * `await` ten times slower while it is on, so it is on only for moments.
 */
export class Inspector {
  #session: Session | undefined;
  readonly #mailbox: { value?: unknown; result?: unknown } = {};
  readonly #scriptUrls = new Map<string, string>();
  #mailboxId: string | undefined;
  #debugging = false;
  #users = 0;
  #onPause: ((frames: Debugger.CallFrame[]) => void) | undefined;

  /** Runs `work`, and afterwards lets go of all objects that were looked at. */
  using<T>(work: () => T): T {
    this.#users++;
    try {
      return work();
    } finally {
      this.#users--;
      if (this.#users === 0 && this.#mailboxId !== undefined) {
        this.#mailboxId = undefined;
        delete this.#mailbox.value;
        delete this.#mailbox.result;
        this.#call("Runtime.releaseObjectGroup", { objectGroup: OBJECT_GROUP });
      }
    }
  }

  function(fn: object): FunctionDetails {
    const { internalProperties = [] } = this.#properties(fn);
    const internal = (name: string) => internalProperties.find((property) => property.name === name)?.value;
    const scopes = internal("[[Scopes]]");
    const target = internal("[[TargetFunction]]");
    return {
      location: internal("[[FunctionLocation]]")?.value as CodeLocation | undefined,
      bound: target && {
        target: this.#live(target) as object,
        self: this.#live(internal("[[BoundThis]]")),
        args: Array.from((this.#live(internal("[[BoundArgs]]")) ?? []) as unknown[]),
      },
      scopes: () => this.#scopes(scopes),
    };
  }

  /** Target and handler of a proxy; undefined if it was revoked. */
  proxy(proxy: object): { target: object; handler: object } | undefined {
    const { internalProperties = [] } = this.#properties(proxy);
    const part = (name: string) =>
      this.#live(internalProperties.find((property) => property.name === name)?.value);
    const target = part("[[Target]]");
    const handler = part("[[Handler]]");
    return handler ? { target: target as object, handler: handler as object } : undefined;
  }

  /** Private fields, `#` and name, in the order of their definition, those of base classes first. */
  privateFields(object: object): { readonly name: string; readonly value: unknown }[] {
    const { privateProperties = [] } = this.#properties(object) as PropertiesAnswer;
    return privateProperties
      .filter((property) => property.value && !property.get && !property.set)
      .map((property) => ({ name: property.name, value: this.#live(property.value) }));
  }

  /** URL of a script, if it is known without asking. */
  knownScriptUrl(scriptId: string): string | undefined {
    const url = this.#scriptUrls.get(scriptId);
    if (url !== undefined) return url;
    // The scripts on the stack come for free; the function's own is mostly among them.
    const { getCallSites } = process.getBuiltinModule("node:util");
    for (const site of getCallSites(50, { sourceMap: false }))
      this.#scriptUrls.set(site.scriptId, site.scriptName);
    return this.#scriptUrls.get(scriptId);
  }

  /** URL and text of a script, as V8 runs it. */
  script(scriptId: string): { readonly url: string; readonly source: string } {
    return this.withDebugger(() => {
      const url = this.#scriptUrls.get(scriptId) ?? "";
      try {
        const { scriptSource } = this.#call<Debugger.GetScriptSourceReturnType>("Debugger.getScriptSource", {
          scriptId,
        });
        return { url, source: scriptSource };
      } catch {
        return { url, source: "" };
      }
    });
  }

  withDebugger<T>(work: () => T): T {
    if (this.#debugging) return work();
    this.#call("Debugger.enable");
    this.#debugging = true;
    try {
      return work();
    } finally {
      this.#debugging = false;
      this.#call("Debugger.disable");
    }
  }

  /**
   * Enters `fn` and pauses before its first statement, where `look` sees its scopes live; then the call is
   * abandoned, so that nothing of its body ever runs. False if it could not be paused. Needs `withDebugger`.
   * While someone debugs this process with a front end, the pause shows there and lasts until they go on.
   */
  atEntry(fn: object, enter: () => unknown, look: (frame: Debugger.CallFrame) => void): boolean {
    const breakpoint = this.#call<{ breakpointId: string }>("Debugger.setBreakpointOnFunctionCall", {
      objectId: this.#idOf(fn),
    });
    let paused = false;
    this.#onPause = ([frame]) => {
      if (!paused) {
        paused = true;
        look(frame!);
      }
      this.#call("Runtime.terminateExecution");
      this.#call("Debugger.resume");
    };
    this.#mailbox.value = enter;
    try {
      // The termination ends at this evaluation: V8 takes it back there.
      this.#open().post("Runtime.evaluate", {
        expression: `${MAILBOX_EXPRESSION}.value()`,
        silent: true,
        timeout: 60_000,
        objectGroup: OBJECT_GROUP,
      });
    } finally {
      this.#onPause = undefined;
      this.#call("Debugger.removeBreakpoint", { breakpointId: breakpoint.breakpointId });
    }
    return paused;
  }

  /** Assigns a variable of a paused frame's scope. */
  setVariable(frame: Debugger.CallFrame, scopeNumber: number, variableName: string, value: unknown): void {
    this.#call("Debugger.setVariableValue", {
      callFrameId: frame.callFrameId,
      scopeNumber,
      variableName,
      newValue: this.#argument(value),
    });
  }

  /** The value of an expression in a paused frame's innermost scope; undefined if it can't be evaluated there. */
  evaluateIn(frame: Debugger.CallFrame, expression: string): { readonly value: unknown } | undefined {
    const { result, exceptionDetails } = this.#call<Debugger.EvaluateOnCallFrameReturnType>(
      "Debugger.evaluateOnCallFrame",
      { callFrameId: frame.callFrameId, expression, silent: true, objectGroup: OBJECT_GROUP },
    );
    return exceptionDetails ? undefined : { value: this.#live(result) };
  }

  #scopes(remote: Runtime.RemoteObject | undefined): Scope[] {
    const list = Array.from(
      (this.#live(remote) ?? []) as { description: string; object: Record<string, unknown> }[],
    );
    return list
      .map(({ description, object }) => ({ kind: description, variables: object }))
      .filter(
        ({ kind, variables }) => kind !== "Global" && variables !== globalThis && variables !== undefined,
      );
  }

  #properties(value: object): Runtime.GetPropertiesReturnType {
    return this.#call("Runtime.getProperties", { objectId: this.#idOf(value), ownProperties: true });
  }

  #idOf(value: unknown): string {
    this.#mailbox.value = value;
    const { result } = this.#call<Runtime.GetPropertiesReturnType>("Runtime.getProperties", {
      objectId: this.#mailboxObject(),
      ownProperties: true,
    });
    return result.find((property) => property.name === "value")!.value!.objectId!;
  }

  #argument(value: unknown): Runtime.CallArgument {
    if (
      (typeof value === "object" && value !== null) ||
      typeof value === "function" ||
      typeof value === "symbol"
    ) {
      return { objectId: this.#idOf(value) };
    }
    if (typeof value === "bigint") return { unserializableValue: `${value}n` };
    if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
      return { unserializableValue: Object.is(value, -0) ? "-0" : String(value) };
    }
    return value === undefined ? {} : { value };
  }

  /** The value behind what the inspector shows. */
  #live(remote: Runtime.RemoteObject | undefined): unknown {
    if (!remote) return undefined;
    if (remote.objectId !== undefined) {
      this.#call("Runtime.callFunctionOn", {
        objectId: remote.objectId,
        functionDeclaration: "function (mailbox) { 'use strict'; mailbox.result = this }",
        arguments: [{ objectId: this.#mailboxObject() }],
        silent: true,
        objectGroup: OBJECT_GROUP,
      });
      return this.#mailbox.result;
    }
    const odd = remote.unserializableValue;
    if (odd === undefined) return remote.value as unknown;
    return odd.endsWith("n") ? BigInt(odd.slice(0, -1)) : Number(odd);
  }

  /** The inspector's name for the mailbox, put in place at first use. */
  #mailboxObject(): string {
    if (this.#mailboxId === undefined) {
      Object.defineProperty(loadInspector(), MAILBOX, {
        value: this.#mailbox,
        configurable: true,
        writable: true,
      });
      const { result } = this.#call<Runtime.EvaluateReturnType>("Runtime.evaluate", {
        expression: MAILBOX_EXPRESSION,
        objectGroup: OBJECT_GROUP,
        silent: true,
      });
      this.#mailboxId = result.objectId!;
    }
    return this.#mailboxId;
  }

  #open(): Session {
    if (this.#session) return this.#session;
    const inspector = loadInspector();
    const session = new inspector.Session();
    session.connect();
    session.on("Debugger.scriptParsed", ({ params }) => this.#scriptUrls.set(params.scriptId, params.url));
    session.on("Debugger.paused", ({ params }) => this.#onPause?.(params.callFrames));
    this.#session = session;
    return session;
  }

  /** In-process sessions answer before `post` returns. */
  #call<T = unknown>(method: string, params: object = {}): T {
    let result: unknown;
    let failure: Error | null = null;
    const session = this.#open();
    const post = session.post.bind(session) as (
      method: string,
      params: object,
      callback: (error: Error | null, result?: object) => void,
    ) => void;
    post(method, params, (error, answer) => {
      failure = error;
      result = answer;
    });
    if (failure) throw new Error(`inspector ${method}: ${(failure as Error).message}`);
    return result as T;
  }
}

/** @throws CaptureError if this Node has none */
function loadInspector(): typeof import("node:inspector") {
  const inspector = process.features.inspector ? process.getBuiltinModule("node:inspector") : undefined;
  if (inspector) return inspector;
  throw new CaptureError("functions can't be captured here: this Node was built without V8's inspector", {
    remedy: "Pass a module's URL in place of the function.",
  });
}

let shared: Inspector | undefined;

/** The process's inspector; it is connected at first use. */
export function openInspector(): Inspector {
  shared ??= new Inspector();
  return shared;
}
