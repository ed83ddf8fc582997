import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { ClientName, Place } from "./client.ts";
import type { Answer, Order, Step, WorkerSetup } from "./step.ts";

export interface Measurement {
  readonly operationsPerSecond: number;
  readonly mibPerSecond: number;
  /** Of the workers; not the server's. */
  readonly cpuMicrosPerOperation: number;
}

/** Worker processes that do the same thing at the same time. */
export class Team {
  readonly #workers: ChildProcess[];

  private constructor(workers: ChildProcess[]) {
    this.#workers = workers;
  }

  static async start(
    client: ClientName,
    place: Place,
    size: number,
    env: Record<string, string>,
  ): Promise<Team> {
    const workers = Array.from({ length: size }, (_, worker) => {
      const setup: WorkerSetup = { client, place, worker };
      return fork(path.join(import.meta.dirname, "worker.ts"), [JSON.stringify(setup)], {
        env: { ...process.env, ...env },
      });
    });
    await Promise.all(workers.map(answerOf));
    return new Team(workers);
  }

  /** Does a step with the first `size` workers. */
  async measure(step: Step, size: number): Promise<Measurement> {
    await this.#order({ ready: step }, size);
    const answers = (await this.#order({ go: true }, size)) as Answer[];
    const tookMs =
      Math.max(...answers.map(({ endedAtMs }) => endedAtMs)) -
      Math.min(...answers.map(({ startedAtMs }) => startedAtMs));
    const operations = step.objects * size;
    return {
      operationsPerSecond: (operations * 1000) / tookMs,
      mibPerSecond: (operations * step.sizeBytes * 1000) / tookMs / 2 ** 20,
      cpuMicrosPerOperation: (answers.reduce((sum, { cpuMs }) => sum + cpuMs, 0) * 1000) / operations,
    };
  }

  async remove(step: Step, size: number): Promise<void> {
    await this.#order({ remove: step }, size);
  }

  async end(): Promise<void> {
    await Promise.all(
      this.#workers.map(async (worker) => {
        if (worker.exitCode !== null) return;
        worker.disconnect();
        await once(worker, "exit");
      }),
    );
  }

  #order(order: Order, size: number): Promise<unknown[]> {
    const workers = this.#workers.slice(0, size);
    const answers = Promise.all(workers.map(answerOf));
    for (const worker of workers) worker.send(order);
    return answers;
  }
}

/** @throws Error if the worker ends instead */
async function answerOf(worker: ChildProcess): Promise<unknown> {
  const abort = new AbortController();
  const end = once(worker, "exit", { signal: abort.signal }).then(([code, signal]) => {
    throw new Error(`a worker of the benchmark ended with ${signal ?? code}`);
  });
  end.catch(() => {});
  try {
    const [answer] = await Promise.race([once(worker, "message", { signal: abort.signal }), end]);
    return answer;
  } finally {
    abort.abort();
  }
}
