import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { OTHER_NODES, otherNode } from "../other-nodes.ts";

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
  const own = Number.parseInt(process.versions.node, 10);
  const majors = [own, ...OTHER_NODES];
  const nodeOf = (major: number) => (major === own ? process.execPath : otherNode(major));

  test.each(majors)("written by Node %i", (writer) => {
    const node = nodeOf(writer);
    if (!node) return;
    const stored = exchange(node, "write");
    for (const reader of majors) {
      const other = nodeOf(reader);
      if (other) expect(exchange(other, "read", stored), `read by Node ${reader}`).toBe("[]");
    }
  });
});
