import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** How another process opens the store: a module whose function `openStore(argument)` gives it. */
export interface StoreModule {
  readonly url: string;
  readonly argument: string;
}

/**
 * Lets `processes` put the same keys, if absent, at the same time; process number i puts bytes of value i.
 * @returns who got `created: true`, by key
 */
export async function racePuts(
  module: StoreModule,
  keys: readonly string[],
  processes: number,
): Promise<Map<string, number[]>> {
  const racers = Array.from({ length: processes }, (_, i) =>
    fork(new URL("./put-racer.ts", import.meta.url), [module.url, module.argument, String(i), ...keys], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
    }),
  );
  try {
    // All are ready before any starts.
    await Promise.all(racers.map((racer) => messageOf(racer)));
    const results = racers.map((racer) => messageOf(racer));
    for (const racer of racers) racer.send("go");
    const wonBy = new Map<string, number[]>();
    (await Promise.all(results)).forEach((won, i) => {
      for (const key of won as string[]) wonBy.set(key, [...(wonBy.get(key) ?? []), i]);
    });
    return wonBy;
  } finally {
    for (const racer of racers) racer.kill("SIGKILL");
  }
}

async function messageOf(racer: ChildProcess): Promise<unknown> {
  const exited = once(racer, "exit").then(([code, signal]) => {
    throw new Error(`a racer ended with ${code ?? signal}`);
  });
  exited.catch(() => {});
  const [message] = await Promise.race([once(racer, "message"), exited]);
  return message;
}
