import { scanFrames } from "../../src/job/frames.ts";
import type {
  AppendPlace,
  GetOptions,
  ListOptions,
  LogWriter,
  MaybePromise,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
} from "../../src/storage/contract.ts";
import { type Dice, Killed, type SimProcess, type World } from "./world.ts";

export interface StoreFaults {
  /** Appends and existence checks are asynchronous, and take up to so many milliseconds; 0: synchronous. */
  readonly delayMs: number;
  /** How likely an append fails: before it took effect, after, or half-way. */
  readonly appendFails: number;
}

/**
 * The common store as one process sees it. Each operation passes I/O boundaries, before and after it takes effect
 * (in the middle too, for appends), where the process may be killed.
 */
export class ProcessStore implements ObjectStore {
  readonly #disk: ObjectStore;
  readonly #process: SimProcess;
  readonly #faults: StoreFaults;
  readonly #dice: Dice;
  readonly #world: World | undefined;
  readonly description = "simulated";
  readonly capabilities = { append: "native", putIfAbsent: true, durable: true } as const;

  /** `world`: puts go through a network, and take effect there, whatever has become of the process by then. */
  constructor(disk: ObjectStore, process: SimProcess, faults: StoreFaults, dice: Dice, world?: World) {
    this.#world = world;
    this.#disk = disk;
    this.#process = process;
    this.#faults = faults;
    this.#dice = dice;
  }

  get(key: string, options?: GetOptions): Promise<Uint8Array> {
    return this.#later(() => this.#disk.get(key, options));
  }

  async *getStream(key: string, options?: GetOptions): AsyncIterable<Uint8Array> {
    yield await this.get(key, options);
  }

  put(key: string, body: PutBody, options?: PutOptions) {
    const put = () => this.#disk.put(key, body, options);
    return this.#world ? this.#send(this.#world, /\.log(\.\d+)?$/.test(key), put) : this.#later(put);
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#later(() => this.#disk.head(key));
  }

  async *list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    const found: ObjectInfo[] = [];
    await this.#later(async () => {
      for await (const object of this.#disk.list(prefix, options)) found.push(object);
    });
    yield* found;
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.#later(() => this.#disk.delete(keys));
  }

  exists(key: string): MaybePromise<boolean> {
    if (this.#faults.delayMs > 0) return this.#later(async () => this.#disk.exists(key));
    this.#process.boundary();
    const exists = this.#disk.exists(key);
    this.#process.boundary();
    return exists;
  }

  openLog(key: string): MaybePromise<LogWriter> {
    this.#process.boundary();
    const log = this.#disk.openLog!(key) as LogWriter;
    return {
      key,
      get sizeBytes() {
        return log.sizeBytes;
      },
      append: (chunks) => {
        if (this.#faults.delayMs > 0) return this.#later(async () => this.#append(log, chunks));
        this.#process.boundary();
        const place = this.#append(log, chunks);
        this.#process.boundary();
        return place;
      },
      sync: () => undefined,
      close: () => undefined,
    };
  }

  async close(): Promise<void> {}

  #append(log: LogWriter, chunks: readonly Uint8Array[]): AppendPlace {
    const fails = this.#dice.chance(this.#faults.appendFails);
    const bytes = Buffer.concat(chunks);
    const how = fails ? this.#dice.pick(["before", "torn", "after"] as const) : undefined;
    if (how === "before") throw new Error("simulated: the append did nothing");
    const half = this.#tearAt(bytes);
    if (how === "torn") {
      log.append([bytes.subarray(0, half)]);
      throw new Error("simulated: the append was cut off");
    }
    try {
      this.#process.boundary();
    } catch (error) {
      log.append([bytes.subarray(0, half)]); // killed in the middle of the write
      throw error;
    }
    const place = log.append([bytes]) as AppendPlace;
    if (how === "after") throw new Error("simulated: the append worked, but its answer was lost");
    return place;
  }

  /** Where a write is cut off: anywhere, or just between two of its records. */
  #tearAt(bytes: Buffer): number {
    const { frames } = scanFrames(bytes);
    const between = frames.slice(1).map((frame) => frame.offsetBytes);
    if (between.length > 0 && this.#dice.chance(0.5)) return this.#dice.pick(between);
    return this.#dice.int(0, bytes.length - 1);
  }

  /** As `#later`, but once it is sent it takes effect, be its sender dead, asleep, or told that it failed. */
  #send<T>(world: World, isAppend: boolean, operation: () => Promise<T>): Promise<T> {
    const dice = this.#dice;
    return new Promise<T>((resolve, reject) => {
      const answer = (action: () => void) =>
        this.#process.deliver(() => {
          try {
            this.#process.boundary();
            action();
          } catch (error) {
            if (!(error instanceof Killed)) throw error;
          }
        });
      const fails = isAppend && dice.chance(this.#faults.appendFails);
      const how = fails ? dice.pick(["never", "lost", "late"] as const) : undefined;
      const fail = () => answer(() => reject(new Error(`simulated: the put was ${how}`)));
      const arrive = async () => {
        if (how === "never") return fail();
        if (how === "late") {
          fail();
          world.after(dice.int(1, 400), () => void operation());
          return;
        }
        const result = await operation();
        if (how === "lost") fail();
        else answer(() => resolve(result));
      };
      this.#process.after(0, () => {
        try {
          this.#process.boundary();
        } catch (error) {
          if (error instanceof Killed) return;
          throw error;
        }
        world.after(dice.int(0, this.#faults.delayMs), () => void arrive());
      });
    });
  }

  /** Asynchronously, after a while; never, if the process is killed meanwhile. */
  #later<T>(operation: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = (action: () => void) => this.#process.deliver(action);
      const perform = async () => {
        try {
          this.#process.boundary();
          const value = await operation();
          this.#process.boundary();
          settle(() => resolve(value));
        } catch (error) {
          if (!(error instanceof Killed)) settle(() => reject(error));
        }
      };
      this.#process.after(this.#dice.int(0, this.#faults.delayMs), () => void perform());
    });
  }
}
