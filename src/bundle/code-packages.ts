import module from "node:module";
import { fileURLToPath } from "node:url";
import { pathOf, urlOf } from "../capture/urls.ts";
import type { Graph } from "../codec/graph/envelope.ts";
import type { ImportRecord } from "../codec/graph/nodes.ts";
import type { WorkerTarget } from "../compute/contract.ts";
import {
  type CodePackage,
  codeReference,
  importEntry,
  packCode,
  parseCodeReference,
  unpackCode,
} from "../job/code-package.ts";
import { codeKey, valueKey } from "../job/keys.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";
import { uploadArchive } from "./archive.ts";
import {
  type CapturedImports,
  importsOf,
  importsOfGraph,
  importsOfValue,
  NO_IMPORTS,
  united,
} from "./import-records.ts";
import { buildPackage } from "./package-code.ts";

export interface CodeHome {
  readonly store: ObjectStore;
  readonly target: WorkerTarget;
  /** Writes the driver's lease, before which cleaning may take away what no job refers to. */
  lease(): MaybePromise<void>;
}

export interface CodeOptions {
  readonly packages?: readonly string[];
  readonly files?: readonly string[];
}

/** A package that is in the store. */
interface StoredPackage {
  readonly reference: string;
  readonly rootUrl: string;
  readonly code: CodePackage;
}

const NO_OPTIONS: CodeOptions = {};

/** The code packages of a driver: made when a job needs one that it hasn't stored yet. */
export class CodePackages {
  readonly #home: CodeHome;
  readonly #stored = new Map<string, Promise<StoredPackage>>();
  readonly #uploads = new Map<string, Promise<void>>();
  readonly #broadcasts = new Map<string, CapturedImports>();

  constructor(home: CodeHome) {
    this.#home = home;
  }

  /** What the broadcast value of that hash imports. */
  noteBroadcast(hash: string, graphs: readonly Graph[]): void {
    this.#broadcasts.set(hash, united(graphs.map(importsOfGraph)));
  }

  /** Code for a function; `ready` makes its first package. @param base of a job that it belongs to */
  forFunction(bytes: Uint8Array, options: CodeOptions = NO_OPTIONS, base?: JobCode): JobCode {
    return new JobCode(this, importsOf(bytes), options, base);
  }

  /** Code of a job that another driver packaged. */
  stored(reference: string): JobCode {
    return new JobCode(this, NO_IMPORTS, NO_OPTIONS, undefined, () => this.#load(reference));
  }

  async #load(reference: string): Promise<StoredPackage> {
    const { hash, rootUrl } = parseCodeReference(reference);
    const code = unpackCode(await this.#home.store.get(codeKey(hash)), hash);
    return { reference, rootUrl, code };
  }

  /** @throws UsageError naming what is missing, or can't be had for the workers' platform */
  build(imports: CapturedImports, options: CodeOptions): Promise<StoredPackage> {
    const cwd = process.cwd();
    const id = JSON.stringify([imports, options.packages, options.files, cwd]);
    const known = this.#stored.get(id) ?? this.#build(imports, options, cwd);
    this.#stored.set(id, known);
    known.catch(() => this.#stored.delete(id));
    return known;
  }

  async #build(imports: CapturedImports, options: CodeOptions, cwd: string): Promise<StoredPackage> {
    const { store, target } = this.#home;
    const { packages = [], files = [] } = options;
    const { code, rootUrl, archives } = await buildPackage({ imports, packages, files, cwd, target });
    const { hash, bytes } = packCode(code);
    await this.#home.lease();
    const putCode = async () => {
      if (!(await store.exists(codeKey(hash)))) await store.put(codeKey(hash), bytes, { ifAbsent: true });
    };
    await Promise.all([
      this.#once(hash, putCode),
      ...archives.map((archive) => this.#once(archive.hash, () => uploadArchive(store, archive))),
    ]);
    return { reference: codeReference(hash, rootUrl), rootUrl, code };
  }

  #once(hash: string, upload: () => Promise<void>): Promise<void> {
    const known = this.#uploads.get(hash) ?? upload();
    this.#uploads.set(hash, known);
    known.catch(() => this.#uploads.delete(hash));
    return known;
  }

  /** With what the broadcast values import whose handles are sent. */
  async withBroadcasts(imports: CapturedImports): Promise<CapturedImports> {
    const all = [imports];
    const seen = new Set<string>();
    for (const one of all) {
      for (const hash of one.broadcasts) {
        if (seen.has(hash)) continue;
        seen.add(hash);
        const known = this.#broadcasts.get(hash) ?? (await this.#importsOfStored(hash));
        this.#broadcasts.set(hash, known);
        all.push(known);
      }
    }
    return united(all);
  }

  async #importsOfStored(hash: string): Promise<CapturedImports> {
    return importsOfValue(await this.#home.store.get(valueKey(hash)));
  }
}

/** The code of one job: a package that grows by what the job's items bring. */
export class JobCode {
  readonly #packages: CodePackages;
  readonly #options: CodeOptions;
  readonly #base: JobCode | undefined;
  readonly #load: (() => Promise<StoredPackage>) | undefined;
  #imports: CapturedImports;
  /** Came since the last package was made. */
  #more: (CapturedImports | JobCode)[] = [];
  #stored: StoredPackage | undefined;
  #readying: Promise<void> | undefined;

  constructor(
    packages: CodePackages,
    imports: CapturedImports,
    options: CodeOptions,
    base?: JobCode,
    load?: () => Promise<StoredPackage>,
  ) {
    this.#packages = packages;
    this.#imports = imports;
    this.#options = options;
    this.#base = base;
    this.#load = load;
  }

  /** `Invocation.code`, once it is ready. */
  get reference(): string | undefined {
    return this.#stored?.reference;
  }

  /** Tasks get results of another job, which may need what its code has. */
  add(other: JobCode): void {
    if (other !== this && !this.#more.includes(other)) this.#more.push(other);
  }

  /** Tasks get values that were encoded as these. */
  addGraphs(graphs: readonly Graph[]): void {
    if (graphs.length > 0) this.#more.push(united(graphs.map(importsOfGraph)));
  }

  /** Tasks get values with these bytes. */
  addValues(values: readonly Uint8Array[]): void {
    this.#more.push(united(values.map(importsOfValue)));
  }

  /** Makes the first package and stores it, once. @throws UsageError, StoreError */
  ready(): Promise<void> {
    return (this.#readying ??= this.#begin());
  }

  async #begin(): Promise<void> {
    this.#stored = await this.#load?.();
    if (this.#base) {
      await this.#base.ready();
      this.#stored ??= this.#base.#stored;
      this.#more.unshift(this.#base);
    }
    const imports = this.#imports;
    this.#imports = NO_IMPORTS;
    await this.#grow([imports]);
  }

  /** A promise of another package where something came that the one there is lacks. */
  settle(): Promise<void> | undefined {
    return this.#more.length === 0 ? undefined : this.#grow([]);
  }

  async #grow(given: readonly CapturedImports[]): Promise<void> {
    const more = this.#more;
    this.#more = [];
    const brought = more.map((one) => (one instanceof JobCode ? one.#imports : one));
    const imports = await this.#packages.withBroadcasts(united([this.#imports, ...given, ...brought]));
    const hasOptions = (this.#options.packages ?? this.#options.files) !== undefined;
    const isFirst = this.#stored === undefined || (given.length > 0 && hasOptions);
    const isCovered =
      !isFirst &&
      imports.needed.every((one) => covers(this.#stored!, one)) &&
      imports.mayNeed.every((one) => covers(this.#stored!, one));
    this.#imports = imports;
    if (!isCovered) this.#stored = await this.#packages.build(imports, this.#options);
  }
}

/** Whether the package has what the import leads to. */
function covers({ code, rootUrl }: StoredPackage, { parent, specifier, commonjs }: ImportRecord): boolean {
  if (module.isBuiltin(specifier)) return true;
  const root = fileURLToPath(rootUrl);
  const isThere = (name: string) =>
    code.modules.some((one) => one.name === name) ||
    code.archives.some(({ at }) => name.startsWith(`${at}/`));
  const nameOf = (place: string): string | undefined =>
    place.startsWith(root) ? place.slice(root.length) : undefined;
  const entry = importEntry(commonjs ? "require" : "import", specifier);
  const name = nameOf(pathOf(parent));
  if (name !== undefined) {
    const table =
      code.importers[name]?.[entry] ?? code.modules.find((one) => one.name === name)?.imports[entry];
    if (table !== undefined) return true;
  }
  const target = urlOf(specifier).startsWith("file:") ? nameOf(pathOf(urlOf(specifier))) : undefined;
  return target !== undefined && isThere(target);
}
