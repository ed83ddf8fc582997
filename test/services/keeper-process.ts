import { type ChildProcess, spawn } from "node:child_process";
import { request } from "node:http";
import path from "node:path";

/** Names the keeper's socket, for the processes of a test run. */
export const SOCKET_VARIABLE = "KINGLET_TEST_SERVICES";

export const socketIn = (folder: string): string => path.join(folder, "socket");

/**
 * Starts the process that keeps services. It ends when this process does, unless it is to `stay`.
 *
 * @param folder empty and private; the keeper removes it at its end
 */
export async function startKeeper(folder: string, options: { stay?: boolean } = {}): Promise<ChildProcess> {
  const args = [path.join(import.meta.dirname, "keeper.ts"), folder, ...(options.stay ? ["--stay"] : [])];
  // Of a process group of its own: Ctrl-C is for the tests, which may still need the services to end well.
  const keeper = spawn(process.execPath, args, {
    stdio: [options.stay ? "ignore" : "pipe", "pipe", options.stay ? "ignore" : "inherit"],
    detached: true,
  });
  await new Promise<void>((resolve, reject) => {
    keeper.once("error", reject);
    keeper.once("exit", (code) => reject(new Error(`the keeper of test services ended with ${code}`)));
    keeper.stdout!.once("data", () => resolve());
  });
  keeper.stdout!.destroy();
  return keeper;
}

/** Asks a keeper. @throws Error with its answer if it couldn't do it, or isn't there */
export function askKeeper<T>(socketPath: string, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: `/${what}`, method: "POST", agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { answer, error } = JSON.parse(text) as { answer?: T; error?: string };
        if (error === undefined) resolve(answer as T);
        else reject(new Error(error));
      });
    });
    asked.on("error", (cause) =>
      reject(new Error(`the keeper of test services doesn't answer at ${socketPath}`, { cause })),
    );
    asked.end();
  });
}
