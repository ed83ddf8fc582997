import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OTHER_NODES, otherNode } from "../other-nodes.ts";
import { newFolder } from "../storage/disk-stores.ts";

const EXCHANGE = path.join(import.meta.dirname, "exchange.ts");
const PINNED = Number(process.versions.node.split(".")[0]);

/** Node's own report of a run of exchange.ts. */
function exchange(node: string, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(
    node,
    ["--disable-warning=ExperimentalWarning", EXCHANGE, ...args],
    {
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(`${node} ${args.join(" ")}: ${stderr}`);
  return stdout.trimEnd();
}

describe("values that one Node wrote", () => {
  let folder: string;
  const nodes = new Map<number, string | undefined>();
  beforeAll(() => {
    folder = newFolder();
    nodes.set(PINNED, process.execPath);
    for (const major of OTHER_NODES) nodes.set(major, otherNode(major));
    for (const [major, node] of nodes) if (node) exchange(node, "write", path.join(folder, String(major)));
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  const majors = [PINNED, ...OTHER_NODES];
  const pairs = majors.flatMap((writer) => majors.map((reader) => [writer, reader] as const));

  it.each(pairs)("of version %i are read by one of version %i", (writer, reader) => {
    const node = nodes.get(reader);
    if (!node || !nodes.get(writer)) return; // Said loudly by otherNode.
    const [same, unreadable, ...different] = exchange(node, "read", path.join(folder, String(writer))).split(
      "\n",
    );
    expect(different).toEqual([]);
    expect(Number(same!.replace("same: ", ""))).toBeGreaterThan(80);
    // Node has Float16Array from 24 on: an older one says so.
    const none = reader >= 24 || writer < 24;
    expect(unreadable).toBe(none ? "unreadable:" : "unreadable: Float16Array STORE_VERSION");
  });
});
