/**
 * Runs in a mount namespace and a network namespace of its own, which all execution environments enter. It builds the
 * file system that they see, opens the ports that they may speak to, hands these to its parent, and stays until the
 * parent is gone, to remove what that one, if it was killed, could not.
 *
 * Usage: namespaces-helper.ts <root folder> <JSON of `BaseSystem`>
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { removeStaleGroups } from "./cage.ts";
import type { BaseSystem } from "./sandbox.ts";

/** What the shell of Amazon Linux's smallest image has, as far as tasks are likely to call it. */
const SHELL_TOOLS =
  "sh bash env true false echo printf cat ls cp mv rm ln mkdir rmdir touch chmod pwd head tail wc sort uniq cut tr " +
  "sleep date id uname dd df du stat tee seq basename dirname md5sum sha256sum grep sed nproc kill";
const DEVICES = ["null", "zero", "full", "random", "urandom"];
/** The user that AWS runs functions as. */
const PASSWD = "root:x:0:0:root:/root:/bin/bash\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n";

const [root, described] = process.argv.slice(2) as [string, string];
const base = JSON.parse(described) as BaseSystem;

const mount = (...args: string[]) => execFileSync("mount", args);
const at = (inside: string): string => path.join(root, inside);

function bindReadOnly(source: string, inside: string): void {
  const target = at(inside);
  if (lstatSync(source).isDirectory()) mkdirSync(target, { recursive: true });
  else {
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, "");
  }
  mount("--bind", source, target);
  mount("-o", "remount,bind,ro,nosuid", target);
}

/** Shared libraries alone: neither programs nor what packages of this machine keep beside them. */
function bindLibraries(): void {
  for (const folder of ["/lib", "/lib64"]) {
    if (!existsSync(folder)) continue;
    if (lstatSync(folder).isSymbolicLink()) symlinkSync(readlinkSync(folder), at(folder));
    else bindReadOnly(folder, folder);
  }
  const multiarch = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  for (const folder of [multiarch, "/usr/lib64"]) if (existsSync(folder)) bindReadOnly(folder, folder);
}

function copyTool(name: string, folder: string): void {
  const source = ["/usr/bin", "/bin", "/usr/sbin"].map((f) => path.join(f, name)).find(existsSync);
  if (!source) return;
  copyFileSync(source, at(path.join(folder, name)));
  chmodSync(at(path.join(folder, name)), 0o755);
}

function buildRoot(): void {
  mkdirSync(root, { recursive: true });
  mount("-t", "tmpfs", "-o", "mode=0755,size=64m", "kinglet-lambda", root);
  for (const folder of ["usr/bin", "var/rapid", "var/task", "opt", "tmp", "proc", "dev", "etc", "old"])
    mkdirSync(at(folder), { recursive: true });
  symlinkSync("usr/bin", at("bin"));
  for (const tool of SHELL_TOOLS.split(" ")) copyTool(tool, "usr/bin");
  // What the platform itself needs to set an environment up; on AWS its init lies here.
  for (const tool of ["umount", "setpriv"]) copyTool(tool, "var/rapid");
  bindLibraries();
  bindReadOnly(base.nodeBinary, "/var/lang/bin/node");
  bindReadOnly(base.runtimeFolder, "/var/runtime");
  for (const device of DEVICES) {
    writeFileSync(at(`dev/${device}`), "");
    mount("--bind", `/dev/${device}`, at(`dev/${device}`));
  }
  symlinkSync("/proc/self/fd", at("dev/fd"));
  for (const [fd, name] of ["stdin", "stdout", "stderr"].entries())
    symlinkSync(`/proc/self/fd/${fd}`, at(`dev/${name}`));
  writeFileSync(at("etc/passwd"), PASSWD);
  writeFileSync(at("etc/group"), "root:x:0:\nsbx_user1051:x:990:\n");
  writeFileSync(at("etc/hosts"), "127.0.0.1 localhost\n");
  mount("-o", "remount,ro", root);
}

/** Any address of 127/8 reaches it: an environment is known by the one that it calls. */
async function openPort(name: string, port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen({ port, host: "0.0.0.0", backlog: 1024 }, resolve);
  });
  await new Promise<void>((resolve, reject) => {
    process.send!({ name }, server, {}, (error) => (error ? reject(error) : resolve()));
  });
  server.close();
}

execFileSync("ip", ["link", "set", "lo", "up"]);
buildRoot();
for (const [name, port] of Object.entries(base.ports)) await openPort(name, port);
process.send!({ name: "ready" });
process.on("disconnect", async () => {
  await removeStaleGroups();
  process.exit(0);
});
