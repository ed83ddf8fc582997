import { type ChildProcess, spawn } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import { Guard } from "../../../src/compute/local/guard.ts";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function startLoop(): ChildProcess & { readonly exited: Promise<NodeJS.Signals | null> } {
  const child = spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore", detached: true });
  children.push(child);
  const exited = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once("exit", (_code, signal) => resolve(signal)),
  );
  return Object.assign(child, { exited });
}

describe("the guard of the workers", () => {
  it("kills, when it ends, those that it was given and not those that were taken back", async () => {
    const guard = new Guard();
    const [first, second, third] = [startLoop(), startLoop(), startLoop()];
    for (const { pid } of [first, second, third]) guard.add(pid!);
    guard.remove(second.pid!);
    await guard.close();
    expect(await first.exited).toBe("SIGKILL");
    expect(await third.exited).toBe("SIGKILL");
    expect(second.signalCode).toBeNull();
    expect(process.kill(second.pid!, 0)).toBe(true);
  });

  it("closes with nothing to guard", async () => {
    const guard = new Guard();
    await guard.close();
    guard.add(2 ** 22 + 1);
    guard.remove(2 ** 22 + 1);
    await guard.close();
  });
});
