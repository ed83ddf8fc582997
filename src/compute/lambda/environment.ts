import type { Clock } from "../../clock.ts";
import type { ObjectStore } from "../../storage/contract.ts";
import type { StoreLocation } from "../../storage/locate.ts";
import { version } from "../../version.ts";
import { encodeFrame } from "../local/protocol.ts";
import type { StartedProcess } from "../local/start-process.ts";
import { FRAME_STARTED, RELAY_PROTOCOL } from "../relay/protocol.ts";
import { type RelayedWork, type SendFrame, Supervisor } from "../relay/supervisor.ts";
import { type InvokePayload, isOfThisMake } from "./payload.ts";

export interface EnvironmentOptions {
  readonly worker: string;
  readonly memoryMb: number;
  readonly started?: StartedProcess;
  readonly scratch?: string;
  readonly openStore: (location: StoreLocation) => Promise<ObjectStore>;
  readonly clock: Clock;
}

/** What the platform says of one invoke. */
export interface InvokeFacts {
  /** When the environment is taken away if it isn't done, milliseconds since the epoch. */
  readonly deadlineMs: number;
  /** How long the environment took to start, where it did so for this invoke. */
  readonly startMs?: number;
}

/** An environment of the worker function, apart from the runtime that calls it. */
export class Environment {
  readonly #options: EnvironmentOptions;
  readonly #supervisor: Supervisor;

  constructor(options: EnvironmentOptions) {
    this.#options = options;
    this.#supervisor = new Supervisor(options);
  }

  /**
   * Runs what the payload brings; resolves when all frames are given to `send`.
   * @throws StoreError where long inputs can't be fetched; TypeError where the payload is something else
   */
  async invoke(payload: InvokePayload, facts: InvokeFacts, send: SendFrame): Promise<void> {
    if (!isOfThisMake(payload)) {
      const { worker, memoryMb } = this.#options;
      // That alone: the driver sees that this is another Kinglet than its own.
      send(encodeFrame(FRAME_STARTED, { protocol: RELAY_PROTOCOL, kinglet: version, worker, memoryMb }));
      return;
    }
    const { clock } = this.#options;
    const work: RelayedWork = {
      store: payload.store,
      invocation: { ...payload.invocation, slot: "", inputs: await this.#inputsOf(payload) },
      ...(payload.secrets ? { secrets: payload.secrets } : {}),
      deadline: { atMs: facts.deadlineMs, limitMs: facts.deadlineMs - clock.nowMs() },
      ...(facts.startMs === undefined ? {} : { startMs: facts.startMs }),
    };
    await this.#supervisor.run(work, send);
  }

  close(): Promise<void> {
    return this.#supervisor.close();
  }

  async #inputsOf({ inputs, inputsKey, store }: InvokePayload): Promise<Uint8Array> {
    if (inputs !== undefined) return Buffer.from(inputs, "base64");
    return (await this.#options.openStore(store)).get(inputsKey!);
  }
}
