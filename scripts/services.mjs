// The real servers that tests run against: node scripts/services.mjs install | start | stop
// This file itself must run on old Nodes: keep its syntax plain.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const args = [path.join(root, "scripts/with-node.mjs"), path.join(root, "test/services/command.ts")];
const { status } = spawnSync(process.execPath, [...args, ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = status ?? 1;
