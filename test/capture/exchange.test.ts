import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { otherMajors, otherNode } from "./other-nodes.ts";

const PROGRAM = path.join(import.meta.dirname, "exchange.ts");

function exchange(node: string, what: "write" | "read", input = ""): string {
  const { NODE_OPTIONS: _inherited, VITEST: _vitest, ...env } = process.env;
  const options = { env, input, encoding: "utf8", maxBuffer: 2 ** 28 } as const;
  const { stdout, stderr, status } = spawnSync(
    node,
    ["--disable-warning=ExperimentalWarning", PROGRAM, what],
    options,
  );
  if (status !== 0) throw new Error(`${node} ${what} ended with ${status}: ${stderr}`);
  return stdout;
}

describe("functions and values that one Node stored are read by the others", () => {
  const majors = [Number.parseInt(process.versions.node, 10), ...otherMajors];
  test.each(majors)("written by Node %i", async (writer) => {
    const nodeOf = (major: number) => (otherMajors.includes(major) ? otherNode(major) : process.execPath);
    const node = await nodeOf(writer);
    if (!node) return;
    const stored = exchange(node, "write");
    for (const reader of majors) {
      const other = await nodeOf(reader);
      if (other) expect(exchange(other, "read", stored), `read by Node ${reader}`).toBe("[]");
    }
  });
});
