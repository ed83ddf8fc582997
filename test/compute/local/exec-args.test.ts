import { describe, expect, it } from "vitest";
import { workerEnv, workerExecArgv, workerNodeOptions } from "../../../src/compute/local/exec-args.ts";

describe("options of node that workers inherit", () => {
  it.each([
    ["loaders, as tsx's", ["--require", "tsx/preflight.cjs", "--import", "file:///tsx/loader.mjs"]],
    ["conditions", ["--conditions=development", "-C", "custom"]],
    ["memory and diagnostics", ["--max-old-space-size=512", "--expose-gc", "--enable-source-maps"]],
  ])("keeps %s", (_what, execArgv) => {
    expect(workerExecArgv(execArgv)).toEqual(execArgv);
  });

  it.each([
    ["a debugger's port", ["--inspect=127.0.0.1:9229"]],
    ["a debugger's break", ["--inspect-brk"]],
    ["a debugger's port apart", ["--inspect-port", "0"]],
    ["evaluated text", ["--eval", "main()"]],
    ["evaluated text, short", ["-e", "main()"]],
    ["printed text", ["-p", "1 + 1"]],
    ["the kind of that text", ["--input-type=module"]],
    ["the kind of that text apart", ["--input-type", "module"]],
    ["test mode", ["--test", "--test-name-pattern", "pool", "--test-only"]],
    ["watch mode", ["--watch", "--watch-path", "src", "--watch-preserve-output"]],
    ["environment files", ["--env-file", ".env", "--env-file-if-exists=.env.local"]],
  ])("drops %s, and what follows it stays", (_what, execArgv) => {
    expect(workerExecArgv([...execArgv, "--import", "./setup.mjs"])).toEqual(["--import", "./setup.mjs"]);
  });

  it("drops the same from NODE_OPTIONS, quoted values whole", () => {
    expect(workerNodeOptions('--inspect --import "./my loader.mjs" --test-reporter=dot')).toBe(
      '--import "./my loader.mjs"',
    );
  });

  it("passes on the environment, without NODE_OPTIONS where nothing is left of it", () => {
    expect(workerEnv({ HOME: "/home/me", NODE_OPTIONS: "--inspect", NODE_UNIQUE_ID: "3" })).toEqual({
      HOME: "/home/me",
    });
    expect(workerEnv({ NODE_OPTIONS: "--inspect --expose-gc" })).toEqual({ NODE_OPTIONS: "--expose-gc" });
  });
});
