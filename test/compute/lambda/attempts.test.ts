import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AttemptEnd } from "../../../src/compute/contract.ts";
import type { ObjectStore } from "../../../src/storage/contract.ts";
import { openDiskStore } from "../../../src/storage/disk.ts";
import { ComputeProbe } from "../../conformance/compute-probe.ts";
import { backendOn } from "./backends.ts";
import { type Fault, type Loopback, type LoopbackOptions, openLoopback } from "./loopback.ts";

let root: string;
let store: ObjectStore;
let loopback: Loopback;
let probe: ComputeProbe;

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "kinglet-attempts-"));
  store = openDiskStore(root);
});

afterEach(async () => {
  await probe.close();
  await loopback.close();
  await store.close();
  rmSync(root, { recursive: true });
  expect(probe.breaches).toEqual([]);
});

async function open(options: LoopbackOptions = {}, endpoint?: string): Promise<void> {
  loopback = await openLoopback(options);
  const place = endpoint ? { endpoint, functions: loopback.functions } : loopback;
  probe = new ComputeProbe(backendOn(place, store, { kind: "disk", root }), store);
  await probe.scaleTo(2);
}

/** The fault of the first invoke; the next ones have none. */
const first = (fault: Fault): LoopbackOptions => ({
  faultOf: (invoke) => (invoke === 0 ? fault : undefined),
});

async function errorOf(end: AttemptEnd): Promise<Error & Record<string, unknown>> {
  if (end.kind !== "unloadable") throw new Error(`ended ${JSON.stringify(end)}`);
  return (await probe.codec.decode(end.error)) as Error & Record<string, unknown>;
}

const add = (x: number) => x + 1;

describe("what Lambda refuses", () => {
  const endOf = async (fault: Fault) => {
    await open(first(fault));
    const attempt = await probe.start(add, [1]);
    return attempt.ended;
  };

  it("for a while: throttled, nothing started, not before it says", async () => {
    expect(await endOf({ kind: "throttle", retryAfterS: 2 })).toMatchObject({
      kind: "throttled",
      startedTask: undefined,
      retryAfterMs: 2000,
      evidence: expect.stringContaining("ConcurrentInvocationLimitExceeded"),
    });
  });

  it.each([
    [500, "ServiceException", "lost"],
    [503, "", "lost"],
    [502, "ENILimitReachedException", "throttled"],
    [409, "ResourceConflictException", "lost"],
  ])("by %d %s: %s, nothing started, to be tried again", async (status, code, kind) => {
    expect(await endOf({ kind: "answer", status, code })).toMatchObject({ kind, startedTask: undefined });
  });

  it.each([
    [
      403,
      "AccessDeniedException",
      /not authorized to perform: lambda:InvokeFunction/,
      /Allow lambda:InvokeFunction/,
    ],
    [403, "UnrecognizedClientException", /security token/, /Check the credentials/],
    [502, "KMSDisabledException", /key/, /Deploy the worker function again/],
  ])("for good, by %d %s: an error that says what mends it", async (status, code, message, remedy) => {
    const texts = "User: arn:x is not authorized to perform: lambda:InvokeFunction; security token; key";
    const error = await errorOf(await endOf({ kind: "answer", status, code, message: texts }));
    expect(error).toMatchObject({ code: "COMPUTE_REFUSED" });
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(remedy);
  });

  it("because the function was deleted meanwhile: it is made again, once", async () => {
    await open();
    expect(await (await probe.start(add, [1])).values()).toEqual([2]);
    const name = loopback.ensured[0]!;
    loopback.gone.add(name);
    const made = loopback.functions.ensure;
    loopback.functions.ensure = async (spec, again) => {
      if (again) loopback.gone.delete(name);
      return made(spec);
    };
    expect(await (await probe.start(add, [2])).values()).toEqual([3]);
    expect(loopback.ensured).toEqual([name, name]);
  });

  it("because somebody deletes it again and again: an error that says so", async () => {
    await open();
    loopback.gone.add("kinglet-test-512-0");
    const error = await errorOf(await (await probe.start(add, [1])).ended);
    expect(error).toMatchObject({ code: "COMPUTE_REFUSED", functionName: "kinglet-test-512-0" });
    expect(error.message).toMatch(/isn't there in eu-west-1.*\n.*kinglet deploy aws/);
  });
});

describe("another Kinglet", () => {
  it("in the function: an error that names both versions and the command", async () => {
    await open();
    loopback.pretendVersion = "9.9.9";
    const error = await errorOf(await (await probe.start(add, [1])).ended);
    expect(error).toMatchObject({ code: "VERSION_MISMATCH", theirs: "9.9.9" });
    expect(error.message).toMatch(/kinglet deploy aws/);
  });
});

describe("a server that isn't there", () => {
  it("under that name: the region may be wrong", async () => {
    await open({}, "http://lambda.eu-nowhere-9.invalid");
    const error = await errorOf(await (await probe.start(add, [1])).ended);
    expect(error).toMatchObject({ code: "COMPUTE_UNAVAILABLE", region: "eu-west-1" });
    expect(error.message).toMatch(/lambda\.eu-nowhere-9\.invalid can't be found.*\n.*aws\.region/);
  });

  it("at that port: lost, with nothing started", async () => {
    await open({}, "http://127.0.0.1:9");
    expect(await (await probe.start(add, [1])).ended).toMatchObject({ kind: "lost", startedTask: undefined });
  });
});

describe("connections and environments that break", () => {
  const values = async (fault: Fault, items = [1, 2, 3]) => {
    await open(first(fault));
    const attempt = await probe.start(add, items);
    return attempt.values();
  };

  it.each([0, 10, 200])("cut after %d bytes: the outcomes are found in the store", async (afterBytes) => {
    expect(await values({ kind: "cut", afterBytes })).toEqual([2, 3, 4]);
    expect(loopback.invokes).toBe(1);
  });

  it("given to two environments: one of them counts", async () => {
    expect(await values({ kind: "twice" })).toEqual([2, 3, 4]);
  });

  it("stopped for a while: it is waited for", async () => {
    expect(await values({ kind: "freeze", forMs: 1500 })).toEqual([2, 3, 4]);
    expect(loopback.invokes).toBe(1);
  });

  const wait = (ms: number) => {
    console.log("waiting");
    return new Promise((resolve) => setTimeout(resolve, ms, "done"));
  };

  it("killed: crashed, and charged where one task was left", async () => {
    await open(first({ kind: "kill", atText: "waiting" }));
    const end = await (await probe.start(wait, [60_000])).ended;
    expect(end).toMatchObject({
      kind: "crashed",
      startedTask: 0,
      evidence: expect.stringContaining("signal: killed"),
    });
  });

  it("killed with several tasks left: nobody knows which had started", async () => {
    await open(first({ kind: "kill", atText: "waiting" }));
    const end = await (await probe.start(wait, [60_000, 60_000])).ended;
    expect(end).toMatchObject({ kind: "crashed", startedTask: undefined, mayHaveStarted: true });
  });

  it("killed with its memory full: out of memory; by the report alone", async () => {
    const logTail = "REPORT RequestId: x\tDuration: 1 ms\tMemory Size: 512 MB\tMax Memory Used: 512 MB\t";
    await open(first({ kind: "kill", atText: "waiting", logTail }));
    const end = await (await probe.start(wait, [60_000])).ended;
    expect(end).toMatchObject({
      kind: "out-of-memory",
      startedTask: 0,
      evidence: expect.stringContaining("512 of 512 MB"),
    });
  });

  it("that don't start: crashed with what the platform's log says, nothing started", async () => {
    await open(first({ kind: "no start", errorType: "Runtime.ExitError", errorMessage: "exit status 1" }));
    expect(await (await probe.start(add, [1])).ended).toMatchObject({
      kind: "crashed",
      startedTask: undefined,
      evidence: expect.stringContaining("the log says: no such module"),
    });
  });

  it("whose code can't be loaded: an error, at once", async () => {
    const errorMessage = "Cannot find module 'x'";
    await open(first({ kind: "no start", errorType: "Runtime.ImportModuleError", errorMessage }));
    const error = await errorOf(await (await probe.start(add, [1])).ended);
    expect(error).toMatchObject({ code: "COMPUTE_REFUSED" });
  });
});

describe("big inputs", () => {
  it("go by the store", async () => {
    await open();
    const items = Array.from({ length: 90 }, () => "x".repeat(60_000));
    const attempt = await probe.start((text: string) => text.length, items);
    expect(await attempt.values()).toEqual(items.map(() => 60_000));
  });
});

describe("memory", () => {
  it("of a call chooses the function", async () => {
    await open();
    await (await probe.start(add, [1], { memoryMb: 1000 })).values();
    await (await probe.start(add, [1], { memoryMb: 100_000 })).values().catch(() => {});
    expect(loopback.ensured).toEqual(["kinglet-test-1152-0", "kinglet-test-10240-0"]);
  });
});
