import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";

// Reads "+ pid" and "- pid"; at the end of its input, which is the driver's end whatever its cause, kills what is left.
const SCRIPT = `
trap '' INT HUP TERM
pids=' '
while read -r op pid; do
  case $op in
    +) pids="$pids$pid " ;;
    -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
for pid in $pids; do kill -9 "-$pid" || kill -9 "$pid"; done 2>/dev/null
`;

/**
 * Makes sure that no worker outlives the driver, not even one in an endless loop when the driver is killed by
 * `kill -9`: a small shell process (1–2 ms to start) that holds the list of workers and sees the driver's pipe close.
 * Workers are leaders of process groups, so what a task has spawned ends with it.
 */
export class Guard {
  readonly #isNeeded: boolean;
  #shell: ChildProcess | undefined;
  /** What is to be said once the shell has started, which is not before the event loop's next turn. */
  #pending: string | undefined;

  /** `isNeeded`: false where all processes end together anyway. */
  constructor(isNeeded = true) {
    this.#isNeeded = isNeeded;
  }

  /** Never throws: where there is no `sh`, idle workers still end by themselves when the driver does. */
  add(pid: number): void {
    this.#say(`+ ${pid}\n`);
  }

  remove(pid: number): void {
    this.#say(`- ${pid}\n`);
  }

  /** From here on a worker may be busy for ever: the guard must have started. Costs its 1–2 ms the first time only. */
  ensureStarted(): void {
    if (this.#pending !== undefined) this.#start();
  }

  /** Ends the guard and, by force, every worker that is still listed. */
  async close(): Promise<void> {
    this.#start();
    const shell = this.#shell;
    if (!shell || shell.pid === undefined || shell.exitCode !== null || shell.signalCode !== null) return;
    const exited = new Promise((resolve) => shell.once("exit", resolve));
    shell.ref();
    shell.stdin?.end();
    await exited;
  }

  #say(line: string): void {
    if (!this.#isNeeded) return;
    if (this.#shell) {
      if (this.#shell.stdin?.writable) this.#shell.stdin.write(line);
    } else if (this.#pending === undefined) {
      this.#pending = line;
      setImmediate(() => this.#start());
    } else {
      this.#pending += line;
    }
  }

  #start(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined || process.platform === "win32") return;
    try {
      const shell = spawn("/bin/sh", ["-c", SCRIPT], {
        stdio: ["pipe", "ignore", "ignore"],
        detached: true,
        cwd: "/",
      });
      this.#shell = shell;
      shell.on("error", () => {});
      shell.stdin.on("error", () => {});
      shell.stdin.write(pending);
      shell.unref();
      (shell.stdin as Writable & { unref?(): void }).unref?.();
    } catch {
      // no guard then
    }
  }
}
