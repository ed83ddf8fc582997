import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openPool, type Pool, type PoolFile, secret, task } from "../../src/index.ts";
import { rejection, temporaryFolder, testPool, thrown } from "../support/pools.ts";

const server = net.createServer();
afterAll(() => server.close());

interface BadCall {
  readonly what: string;
  readonly call: (pool: Pool) => unknown;
  readonly code: string;
  /** The message names the culprit. */
  readonly names: RegExp;
  /** … and says what to do. */
  readonly remedy: RegExp;
}

const one = [1];
const same = (n: unknown) => n;
const any = (value: unknown) => value as never;

/** Wrong calls, each an error at once: nothing is started. */
const CALLS: BadCall[] = [
  // the function
  {
    what: "no function",
    call: (p) => p.map(any(undefined), one),
    code: "BAD_ARGUMENT",
    names: /map: the function is undefined/,
    remedy: /pool\.map\(\(item\)/,
  },
  {
    what: "a number for a function",
    call: (p) => p.run(any(5)),
    code: "BAD_ARGUMENT",
    names: /run: the function is 5/,
    remedy: /Pass a function/,
  },
  {
    what: "an object for a function",
    call: (p) => p.mapSettled(any({ a: 1 }), one),
    code: "BAD_ARGUMENT",
    names: /mapSettled: the function is \{"a":1\}/,
    remedy: /Pass a function/,
  },
  {
    what: "a bare module name",
    call: (p) => p.map("lodash", one),
    code: "BAD_ARGUMENT",
    names: /"lodash" is neither a URL nor a path/,
    remedy: /import\.meta\.resolve/,
  },
  {
    what: "a task of no URL",
    call: () => task("tasks.ts"),
    code: "BAD_ARGUMENT",
    names: /"tasks\.ts"/,
    remedy: /import\.meta\.resolve/,
  },
  {
    what: "a module that isn't there",
    call: (p) => p.map(new URL("./no-such-module.ts", import.meta.url), one),
    code: "BAD_ARGUMENT",
    names: /no-such-module/,
    remedy: /import\.meta\.resolve/,
  },
  // what it captures
  {
    what: "a captured server",
    call: (p) => p.map(() => server.address(), one),
    code: "CAPTURE",
    names: /captured variable "server"/,
    remedy: /Open it inside the function/,
  },
  {
    what: "a captured WeakMap",
    call: (p) => {
      const cache = new WeakMap();
      return p.map(() => cache, one);
    },
    code: "CAPTURE",
    names: /"cache".*WeakMap/,
    remedy: /Map/,
  },
  {
    what: "a captured promise",
    call: (p) => {
      const later = Promise.resolve(1);
      return p.map(() => later, one);
    },
    code: "CAPTURE",
    names: /"later".*Promise/,
    remedy: /await it/i,
  },
  {
    what: "a captured AbortSignal",
    call: (p) => {
      const { signal } = new AbortController();
      return p.map(() => signal.aborted, one);
    },
    code: "CAPTURE",
    names: /"signal".*AbortSignal/s,
    remedy: /signal/,
  },
  {
    what: "eval in the function",
    // biome-ignore lint/security/noGlobalEval: the point of the case
    call: (p) => p.map((n) => eval("n") + n, one),
    code: "CAPTURE",
    names: /eval/,
    remedy: /pass the values/i,
  },
  {
    what: "a captured pool",
    call: (p) => p.map((n) => p.map((m) => m + n, one), one),
    code: "CAPTURE",
    names: /a pool can't be captured/,
    remedy: /ctx\.pool\.map/,
  },
  {
    what: "a captured future",
    call: (p) => {
      const base = p.run(() => 1);
      return p.map(async (n) => n + (await base), one);
    },
    code: "CAPTURE",
    names: /a future can't be captured/,
    remedy: /among the items/,
  },
  // items
  {
    what: "no items",
    call: (p) => p.map(same, any(undefined)),
    code: "BAD_ARGUMENT",
    names: /the items are undefined/,
    remedy: /an array, any iterable/,
  },
  {
    what: "a string as items",
    call: (p) => p.map(same, any("abc")),
    code: "BAD_ARGUMENT",
    names: /the string "abc"/,
    remedy: /\[\.\.\.text\]/,
  },
  {
    what: "a number as items",
    call: (p) => p.map(same, any(10)),
    code: "BAD_ARGUMENT",
    names: /the items are 10/,
    remedy: /an array/,
  },
  {
    what: "an object as items",
    call: (p) => p.map(same, any({ a: 1 })),
    code: "BAD_ARGUMENT",
    names: /\{"a":1\}/,
    remedy: /an array/,
  },
  {
    what: "an unserialisable item at index 3",
    call: (p) => p.map(same, [0, 1, 2, { socket: new net.Socket() }]),
    code: "UNSERIALIZABLE",
    names: /items\[3\]\.socket/,
    remedy: /./,
  },
  {
    what: "a promise among the items",
    call: (p) => p.map(same, [1, Promise.resolve(2)]),
    code: "UNSERIALIZABLE",
    names: /items\[1\].*Promise/s,
    remedy: /await/i,
  },
  {
    what: "a WeakRef in an item",
    call: (p) => p.map(same, [{ deep: [new WeakRef({})] }]),
    code: "UNSERIALIZABLE",
    names: /items\[0\]\.deep\[0\]/,
    remedy: /./,
  },
  {
    what: "an unserialisable input of run",
    call: (p) => p.run(same, new net.Socket()),
    code: "UNSERIALIZABLE",
    names: /Socket/,
    remedy: /./,
  },
  // options
  {
    what: "an unknown option",
    call: (p) => p.map(same, one, any({ timeout: 5 })),
    code: "UNKNOWN_OPTION",
    names: /"timeout"/,
    remedy: /Did you mean timeoutMs|Known options/,
  },
  {
    what: "a misspelt option",
    call: (p) => p.map(same, one, any({ retires: 5 })),
    code: "UNKNOWN_OPTION",
    names: /"retires"/,
    remedy: /Did you mean retries\?/,
  },
  {
    what: "options that are no object",
    call: (p) => p.map(same, one, any(5)),
    code: "BAD_ARGUMENT",
    names: /the options are 5/,
    remedy: /\{ timeoutMs: 1000 \}/,
  },
  {
    what: "a negative concurrency",
    call: (p) => p.map(same, one, { concurrency: -1 }),
    code: "BAD_OPTION",
    names: /concurrency is -1; expected a whole number from 1 to 100,000/,
    remedy: /Set concurrency/,
  },
  {
    what: "a fraction of a batch",
    call: (p) => p.map(same, one, { batch: 1.5 }),
    code: "BAD_OPTION",
    names: /batch is 1\.5/,
    remedy: /Set batch/,
  },
  {
    what: "NaN as timeout",
    call: (p) => p.map(same, one, { timeoutMs: Number.NaN }),
    code: "BAD_OPTION",
    names: /timeoutMs is NaN/,
    remedy: /Set timeoutMs/,
  },
  {
    what: "a timeout of 0",
    call: (p) => p.map(same, one, { timeoutMs: 0 }),
    code: "BAD_OPTION",
    names: /timeoutMs is 0/,
    remedy: /Set timeoutMs/,
  },
  {
    what: "infinite retries",
    call: (p) => p.map(same, one, { retries: Number.POSITIVE_INFINITY }),
    code: "BAD_OPTION",
    names: /retries is Infinity/,
    remedy: /Set retries/,
  },
  {
    what: "retryErrors true",
    call: (p) => p.map(same, one, any({ retryErrors: true })),
    code: "BAD_OPTION",
    names: /retryErrors is true/,
    remedy: /function \(error, attempt\)/,
  },
  {
    what: "too little memory",
    call: (p) => p.map(same, one, { memoryMb: 1 }),
    code: "BAD_OPTION",
    names: /memoryMb is 1/,
    remedy: /from 64 to/,
  },
  {
    what: "0 cpus",
    call: (p) => p.map(same, one, { cpus: 0 }),
    code: "BAD_OPTION",
    names: /cpus is 0/,
    remedy: /Set cpus/,
  },
  {
    what: "a number in env",
    call: (p) => p.map(same, one, any({ env: { A: 1 } })),
    code: "BAD_OPTION",
    names: /env is \{"A":1\}/,
    remedy: /object of strings/,
  },
  {
    what: "isolate as a string",
    call: (p) => p.map(same, one, any({ isolate: "yes" })),
    code: "BAD_OPTION",
    names: /isolate is "yes"/,
    remedy: /true or false/,
  },
  {
    what: "a signal that is none",
    call: (p) => p.map(same, one, any({ signal: "stop" })),
    code: "BAD_OPTION",
    names: /signal is "stop"/,
    remedy: /AbortSignal/,
  },
  {
    what: "a name with a slash",
    call: (p) => p.map(same, one, { name: "../x" }),
    code: "BAD_OPTION",
    names: /name is "\.\.\/x"/,
    remedy: /letters/,
  },
  {
    what: "another pool that is none",
    call: (p) => p.map(same, one, any({ on: "lambda" })),
    code: "BAD_OPTION",
    names: /on is "lambda"/,
    remedy: /openPool/,
  },
  {
    what: "a negative budget",
    call: (p) => p.map(same, one, { budgetUsd: -1 }),
    code: "BAD_OPTION",
    names: /budgetUsd is -1/,
    remedy: /0 or more/,
  },
  {
    what: "a package that isn't installed",
    call: (p) => p.map(same, one, { packages: ["no-such-package-xyz"] }),
    code: "BAD_OPTION",
    names: /no-such-package-xyz/,
    remedy: /npm install/,
  },
  {
    what: "a file that isn't there",
    call: (p) => p.map(same, one, { files: ["./no-such-file"] }),
    code: "BAD_OPTION",
    names: /no-such-file/,
    remedy: /current folder/,
  },
  {
    what: "a pool-wide name",
    call: (p) => p.with(any({ name: "x" })),
    code: "UNKNOWN_OPTION",
    names: /"name"/,
    remedy: /Known options/,
  },
  // handles
  {
    what: "an id that is none",
    call: (p) => p.attach("nonsense!"),
    code: "BAD_ARGUMENT",
    names: /"nonsense!" is no job's id/,
    remedy: /kinglet jobs/,
  },
  {
    what: "an empty pattern",
    call: (p) => p.files(""),
    code: "BAD_ARGUMENT",
    names: /"" is no pattern/,
    remedy: /glob/,
  },
  {
    what: "a secret that isn't set",
    call: () => secret("KINGLET_NO_SUCH_SECRET"),
    code: "BAD_ARGUMENT",
    names: /KINGLET_NO_SUCH_SECRET/,
    remedy: /Set it/,
  },
  {
    what: "a secret's value for its name",
    call: () => secret("abc-123"),
    code: "BAD_ARGUMENT",
    names: /"abc-123"/,
    remedy: /its name/,
  },
  {
    what: "a broadcast of a socket",
    call: (p) => p.broadcast({ conn: new net.Socket() }),
    code: "UNSERIALIZABLE",
    names: /broadcast value\.conn/,
    remedy: /./,
  },
];

describe("a wrong call is an error at once, and starts nothing", () => {
  it.each(CALLS)("$what", async ({ call, code, names, remedy }) => {
    const folder = path.join(temporaryFolder(), "store");
    const pool = testPool({ storage: folder });
    const error = thrown(() => call(pool));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(names);
    expect(error.message).toMatch(remedy);
    expect(existsSync(path.join(folder, "journals"))).toBe(false);
  });
});

const POOLS: { what: string; options: () => unknown; code: string; names: RegExp; remedy: RegExp }[] = [
  {
    what: "an unknown option",
    options: () => ({ store: "x" }),
    code: "UNKNOWN_OPTION",
    names: /openPool.*"store"/,
    remedy: /storage/,
  },
  {
    what: "an unknown backend",
    options: () => ({ compute: "moon" }),
    code: "BAD_OPTION",
    names: /compute is "moon"/,
    remedy: /"local"/,
  },
  {
    what: "an empty folder name",
    options: () => ({ storage: "" }),
    code: "BAD_OPTION",
    names: /storage is ""/,
    remedy: /folder/,
  },
  {
    what: "an unknown durability",
    options: () => ({ durability: "yes" }),
    code: "BAD_OPTION",
    names: /durability is "yes"/,
    remedy: /"process" or "fsync"/,
  },
  {
    what: "a file where the folder should be",
    options: () => {
      const file = path.join(temporaryFolder(), "file");
      writeFileSync(file, "");
      return { storage: file };
    },
    code: "STORE_UNWRITABLE",
    names: /file/,
    remedy: /./,
  },
  {
    what: "a store that a newer version wrote",
    options: () => {
      const folder = temporaryFolder();
      writeFileSync(path.join(folder, "kinglet-store.json"), '{"format":99}');
      return { storage: folder };
    },
    code: "STORE_VERSION",
    names: /newer|99/,
    remedy: /./,
  },
];

describe("a pool that can't be opened says why", () => {
  it.each(POOLS)("$what", ({ options, code, names, remedy }) => {
    const error = thrown(() => openPool(options() as never));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(names);
    expect(error.message).toMatch(remedy);
  });

  it("an unwritable folder", () => {
    const folder = path.join(temporaryFolder(), "read-only");
    mkdirSync(folder);
    chmodSync(folder, 0o500);
    // Root may write anywhere: for root, a folder that nobody can make has to do.
    const storage = process.getuid?.() === 0 ? "/proc/kinglet" : path.join(folder, "store");
    const error = thrown(() => openPool({ storage }));
    expect(error.code).toBe("STORE_UNWRITABLE");
    expect(error.message).toContain(storage);
  });

  it("environment variables are checked too, and named", () => {
    process.env.KINGLET_CONCURRENCY = "many";
    try {
      const error = thrown(() => openPool());
      expect(error).toMatchObject({ code: "BAD_OPTION" });
      expect(error.message).toMatch(/KINGLET_…\): option concurrency is NaN/);
    } finally {
      delete process.env.KINGLET_CONCURRENCY;
    }
  });
});

describe("what goes wrong later is an error too", () => {
  it("an unserialisable result names its path", async () => {
    const pool = testPool();
    const error = await rejection(pool.map(() => ({ rows: [{ later: Promise.resolve(1) }] }), [1]));
    expect(error).toMatchObject({ code: "UNSERIALIZABLE" });
    expect(error.message).toMatch(/result\.rows\[0\]\.later/);
  });

  it("an input that throws while it is drawn fails the job with that error", async () => {
    const pool = testPool();
    function* broken() {
      yield 1;
      throw new RangeError("the source broke");
    }
    expect(await rejection(pool.map((n) => n, broken()))).toMatchObject({ message: "the source broke" });
  });

  it("a bad item far down a generator names its index", async () => {
    const pool = testPool();
    function* items() {
      for (let i = 0; i < 3000; i++) yield i === 2500 ? { conn: new net.Socket() } : i;
    }
    const error = await rejection(pool.map((n) => String(n), items()));
    expect(error.message).toMatch(/items\[2500\]\.conn/);
  });

  it("no file matches a glob", async () => {
    const pool = testPool();
    const error = await rejection(pool.map((f: PoolFile) => f.name, pool.files("no-such-*.jpg")));
    expect(error).toMatchObject({ code: "BAD_ARGUMENT" });
    expect(error.message).toMatch(/no-such-\*\.jpg/);
  });

  it("attaching to a job that isn't there", async () => {
    const pool = testPool();
    expect(await rejection(pool.attach("261121-035312-aaaaaaaa"))).toMatchObject({ code: "JOB_NOT_FOUND" });
  });

  it("using a closed pool", async () => {
    const pool = testPool();
    await pool.close();
    expect(thrown(() => pool.map((n) => n, [1]))).toMatchObject({ code: "POOL_CLOSED" });
    expect(thrown(() => pool.run(() => 1))).toMatchObject({ code: "POOL_CLOSED" });
  });

  it("adding the context to something, as if it were an index", async () => {
    const pool = testPool();
    const error = await rejection(pool.map((n, ctx) => n + (ctx as unknown as number), [1]));
    expect(error.message).toMatch(/ctx\.index/);
  });

  it("a module whose export isn't there", async () => {
    const pool = testPool();
    const here = new URL("../types/tasks.ts", import.meta.url);
    const error = await rejection(pool.map(here, [1]));
    expect(error.message).toMatch(/default/);
  });

  it("a damaged outcome in the store is found, and named", async () => {
    const folder = path.join(temporaryFolder(), "store");
    const pool = testPool({ storage: folder });
    const job = pool.map((n) => `outcome ${n}`, [1, 2, 3]);
    await job;
    await pool.close();
    const journal = path.join(folder, "journals", job.id);
    const log = readdirSync(journal).find((name) => name.startsWith("worker-"))!;
    const file = path.join(journal, log);
    const { readFileSync } = await import("node:fs");
    const bytes = readFileSync(file);
    bytes[bytes.length - 3]! ^= 0xff;
    writeFileSync(file, bytes);
    const again = testPool({ storage: folder });
    const error = await rejection(again.attach(job.id));
    expect(error).toMatchObject({ code: "STORE_CORRUPT" });
    expect(error.message).toContain(log);
  });

  it("a symbolic link out of the store is not followed", async () => {
    const folder = path.join(temporaryFolder(), "store");
    const outside = temporaryFolder();
    const pool = testPool({ storage: folder });
    mkdirSync(path.join(folder, "named"), { recursive: true });
    symlinkSync(outside, path.join(folder, "named", "way-out"));
    await rejection(pool.store.put("way-out/file", "text"));
    expect(readdirSync(outside)).toEqual([]);
  });
});
