import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Server } from "node:net";
import path from "node:path";
import { NAMESPACE_ARGS, requireBinary } from "../binaries.ts";

/** What all environments have in common. */
export interface BaseSystem {
  /** The Node that runs functions: /var/lang/bin/node. */
  readonly nodeBinary: string;
  /** AWS's runtime client: /var/runtime. */
  readonly runtimeFolder: string;
  /** Ports inside, by the names of what listens there. */
  readonly ports: Readonly<Record<string, number>>;
}

export interface SandboxOptions {
  readonly codeFolder: string;
  readonly tmpMb: number;
  /** The whole environment of the process: nothing is inherited. */
  readonly variables: Readonly<Record<string, string>>;
  /** `cgroup.procs` files that its first process writes itself into. */
  readonly cgroups: readonly string[];
  /** Run in /var/task, as an ordinary user. */
  readonly command: readonly string[];
}

const HELPER = path.join(import.meta.dirname, "namespaces-helper.ts");
const ENTER = path.join(import.meta.dirname, "enter.sh");
/** AWS's sbx_user1051. */
const USER = { uid: 993, gid: 990 };
const isRoot = process.getuid?.() === 0;

/**
 * The namespaces that execution environments live in. All share one network of loopback alone, where nothing listens
 * but the ports named in `BaseSystem`; each has an own file system, processes and /tmp. All of them end with this
 * process, however it ends.
 */
export class Sandboxes {
  readonly #helper: ChildProcess;
  readonly #root: string;
  /** Those who listen inside, by the names of their ports. */
  readonly servers: ReadonlyMap<string, Server>;

  private constructor(helper: ChildProcess, root: string, servers: ReadonlyMap<string, Server>) {
    this.#helper = helper;
    this.#root = root;
    this.servers = servers;
  }

  /** @param folder where the file system is put together, seen in there alone */
  static async open(folder: string, base: BaseSystem): Promise<Sandboxes> {
    const root = path.join(folder, "root");
    const own = [...NAMESPACE_ARGS, "--propagation", "private"];
    const helper = spawn(
      requireBinary("unshare"),
      [...own, process.execPath, HELPER, root, JSON.stringify(base)],
      { stdio: ["ignore", "inherit", "inherit", "ipc"], env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } },
    );
    const servers = new Map<string, Server>();
    await new Promise<void>((resolve, reject) => {
      helper.once("error", reject);
      helper.once("exit", (code) => reject(new Error(`the helper of the namespaces ended with ${code}`)));
      helper.on("message", ({ name }: { name: string }, server) => {
        if (server) servers.set(name, server as Server);
        else resolve();
      });
    });
    return new Sandboxes(helper, root, servers);
  }

  /** Starts a process tree. stdout, stderr and descriptor 3 are pipes. Its end ends all of it. */
  start(options: SandboxOptions): ChildProcess {
    const namespaces = `/proc/${this.#helper.pid}/ns`;
    const enter = [
      ...(isRoot ? [] : [`--user=${namespaces}/user`, "--preserve-credentials"]),
      ...[`--mount=${namespaces}/mnt`, `--net=${namespaces}/net`],
    ];
    const own = [
      "--mount",
      "--pid",
      "--ipc",
      "--uts",
      "--fork",
      "--kill-child=KILL",
      "--propagation",
      "private",
    ];
    const script = ["/bin/sh", ENTER, this.#root, options.codeFolder, String(options.tmpMb * 1024)];
    const user = isRoot ? [String(USER.uid), String(USER.gid)] : ["", ""];
    return spawn(
      requireBinary("setpriv"),
      [
        ...["--pdeathsig", "KILL", requireBinary("nsenter"), ...enter, requireBinary("unshare"), ...own],
        ...[...script, ...user, options.cgroups.join(":"), ...options.command],
      ],
      { stdio: ["ignore", "pipe", "pipe", "pipe"], env: options.variables as Record<string, string> },
    );
  }

  async close(): Promise<void> {
    for (const server of this.servers.values()) server.close();
    if (this.#helper.exitCode !== null || this.#helper.signalCode !== null) return;
    const exited = once(this.#helper, "exit");
    this.#helper.kill("SIGKILL");
    await exited;
  }
}
