import type { CodeHome, CodePackages, JobCode } from "../bundle/code-packages.ts";
import type { DriverGraphLane } from "../capture/index.ts";
import type { Graph } from "../codec/graph/envelope.ts";
import type { DrawnInputs, JobInput } from "../scheduler/contract.ts";
import type { FileUploader, ObjectSource } from "../slices/source.ts";
import type { UploadHome, Uploads } from "../slices/uploads.ts";
import type { MaybePromise } from "../storage/contract.ts";
import type { SessionParts } from "./session.ts";

export interface CodeOptions {
  readonly packages?: string[] | undefined;
  readonly files?: string[] | undefined;
}

/** What the jobs of a pool need whose workers don't see this machine's files. What makes packages loads with the first. */
export class PoolCode implements FileUploader {
  readonly packages: Promise<CodePackages>;
  readonly #encoded: Graph[] = [];
  readonly #home: CodeHome & UploadHome;
  #uploads: Promise<Uploads> | undefined;

  constructor(home: CodeHome & UploadHome, lane: DriverGraphLane) {
    this.#home = home;
    this.packages = import("../bundle/code-packages.ts").then(({ CodePackages }) => new CodePackages(home));
    this.packages.catch(() => {}); // the first job meets it
    lane.onGraph = (graph) => this.#encoded.push(graph);
  }

  async upload(file: string): Promise<ObjectSource> {
    this.#uploads ??= import("../slices/uploads.ts").then(({ Uploads }) => new Uploads(this.#home));
    return (await this.#uploads).upload(file);
  }

  /** Graphs of the values that were encoded since the last call. */
  take(): Graph[] {
    return this.#encoded.splice(0);
  }

  /** A broadcast value was encoded just now. */
  noteBroadcast(hash: string): void {
    const graphs = this.take();
    this.packages.then((packages) => packages.noteBroadcast(hash, graphs)).catch(() => {});
  }

  forFunction(bytes: Uint8Array, options: CodeOptions, base: PoolJobCode | undefined): PoolJobCode {
    const { packages: names, files } = options;
    const given = { ...(names ? { packages: names } : {}), ...(files ? { files } : {}) };
    return new PoolJobCode(this, async () =>
      (await this.packages).forFunction(bytes, given, await base?.inner()),
    );
  }

  /** Of a job that another driver packaged. */
  stored(reference: string): PoolJobCode {
    return new PoolJobCode(this, async () => (await this.packages).stored(reference));
  }
}

/** For a pool whose backend says where its workers are. */
export function codeFor(
  { store, location, compute: { target } }: SessionParts,
  lease: () => MaybePromise<void>,
  lane: DriverGraphLane,
): PoolCode | undefined {
  return target && new PoolCode({ store, location, target, lease }, lane);
}

/** The code package of one job, and what its items add to it. */
export class PoolJobCode {
  readonly #pool: PoolCode;
  readonly #make: () => Promise<JobCode>;
  #inner: Promise<JobCode> | undefined;
  #code: JobCode | undefined;
  readonly #graphs: Graph[] = [];
  readonly #upstream = new Set<PoolJobCode>();
  readonly #values: Uint8Array[] = [];

  constructor(pool: PoolCode, make: () => Promise<JobCode>) {
    this.#pool = pool;
    this.#make = make;
  }

  inner(): Promise<JobCode> {
    return (this.#inner ??= this.#make());
  }

  /** `Invocation.code`; undefined until it is ready. */
  get reference(): string | undefined {
    return this.#code?.reference;
  }

  /** Values were encoded just now that tasks of this job get. */
  noteEncoded(): void {
    for (const graph of this.#pool.take()) {
      const { table } = graph;
      if (table.imports.length + table.attached.length > 0 || table.code || hasHandles(graph))
        this.#graphs.push(graph);
    }
  }

  /** Tasks get results of another job: these may need what its code has. */
  noteUpstream(other: PoolJobCode | undefined): void {
    if (other) this.#upstream.add(other);
  }

  /** Tasks get values that a worker encoded. */
  noteValues(values: readonly Uint8Array[]): void {
    this.#values.push(...values);
  }

  /** Makes the first package and stores it. @throws UsageError, StoreError */
  async ready(): Promise<void> {
    const code = await this.inner();
    await this.#handOver(code);
    await code.ready();
    this.#code = code;
  }

  /** A promise where something came since that the package may lack. */
  settle(): Promise<void> | undefined {
    if (this.#graphs.length + this.#upstream.size === 0) return undefined;
    return this.inner().then(async (code) => {
      await this.#handOver(code);
      await code.settle();
    });
  }

  async #handOver(code: JobCode): Promise<void> {
    const upstream = [...this.#upstream];
    this.#upstream.clear();
    code.addGraphs(this.#graphs.splice(0));
    if (this.#values.length > 0) code.addValues(this.#values.splice(0));
    for (const other of upstream) code.add(await other.inner());
  }
}

const hasHandles = ({ table }: Graph): boolean => table.nodes.some((node) => node[0] === "registered");

/** An input whose items may bring imports: the package with them is there before their tasks can start. */
export class PackagedInput implements JobInput {
  readonly #inner: JobInput;
  readonly #code: PoolJobCode;

  constructor(inner: JobInput, code: PoolJobCode) {
    this.#inner = inner;
    this.#code = code;
  }

  get knownLength(): number | undefined {
    return this.#inner.knownLength;
  }

  close(): void {
    this.#inner.close?.();
  }

  draw(maxTasks: number, maxBytes: number): MaybePromise<DrawnInputs> {
    const drawn = this.#inner.draw(maxTasks, maxBytes);
    return drawn instanceof Promise ? drawn.then((inputs) => this.#withCode(inputs)) : this.#withCode(drawn);
  }

  #withCode(drawn: DrawnInputs): MaybePromise<DrawnInputs> {
    const settling = this.#code.settle();
    const named = (): DrawnInputs => {
      const { reference } = this.#code;
      return drawn.count === 0 || reference === undefined ? drawn : { ...drawn, code: reference };
    };
    return settling ? settling.then(named) : named();
  }
}
