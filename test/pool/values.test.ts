import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { type CallOptions, type Pool, StoredObject, secret, task } from "../../src/index.ts";
import { contentsOf, onEveryStore } from "../support/job-stores.ts";
import { freshStorage, rejection, temporaryFolder, testPool } from "../support/pools.ts";

onEveryStore(() => {
  describe("pool.files", () => {
    it("gives each task a handle; the bytes are read where it runs", async () => {
      const folder = temporaryFolder();
      for (const [name, text] of [
        ["b.txt", "two\nlines\r\n"],
        ["a.txt", "one"],
        ["c.md", "no"],
      ]) {
        writeFileSync(path.join(folder, name!), text!);
      }
      mkdirSync(path.join(folder, "folder.txt"));
      writeFileSync(path.join(folder, "folder.txt", "inside"), "not matched");
      const pool = testPool();
      const seen = await pool.map(
        async (file) => {
          const lines: string[] = [];
          for await (const line of file.lines()) lines.push(line);
          let streamed = 0;
          for await (const chunk of file.stream()) streamed += chunk.length;
          return {
            name: file.name,
            text: await file.text(),
            bytes: (await file.bytes()).length,
            streamed,
            lines,
          };
        },
        pool.files(path.join(folder, "*.txt")),
      );
      expect(seen).toEqual([
        { name: "a.txt", text: "one", bytes: 3, streamed: 3, lines: ["one"] },
        { name: "b.txt", text: "two\nlines\r\n", bytes: 11, streamed: 11, lines: ["two", "lines"] },
      ]);
    });
  });

  describe("pool.broadcast", () => {
    it("is stored once and read-only in tasks", async () => {
      const pool = testPool();
      const table = pool.broadcast({ rates: [1, 2, 3], names: new Map([["a", "b"]]) });
      expect(await pool.map((i) => table.value.rates[i], [0, 1, 2])).toEqual([1, 2, 3]);
      expect(await pool.run(() => table.value.names.get("a"))).toBe("b");
      const error = await rejection(pool.run(() => table.value.rates.push(4)));
      expect(error).toBeInstanceOf(TypeError);
      expect(table.value.rates).toEqual([1, 2, 3]);
      const same = pool.broadcast({ rates: [1, 2, 3], names: new Map([["a", "b"]]) });
      expect((same as unknown as { key: string }).key).toBe((table as unknown as { key: string }).key);
    });

    it("is loaded once a worker", async () => {
      const pool = testPool({ concurrency: 1 });
      const big = pool.broadcast(new Float64Array(200_000).fill(2));
      const marks = await pool.map(
        (i) => {
          const value = big.value as Float64Array & { mark?: number };
          value.mark ??= i;
          return [value.mark, value.length];
        },
        [0, 1, 2],
      );
      expect(marks).toEqual([
        [0, 200_000],
        [0, 200_000],
        [0, 200_000],
      ]);
    });
  });

  describe("pool.store", () => {
    it("keeps named objects, and hands out small handles", async () => {
      const pool = testPool();
      const handles = await pool.map((n, ctx) => ctx.store.put(`out/${n}.txt`, `number ${n}`), [1, 2]);
      expect(handles[0]).toBeInstanceOf(StoredObject);
      expect(await handles[1]!.text()).toBe("number 2");
      expect(await pool.map((object) => object.text(), handles)).toEqual(["number 1", "number 2"]);
      expect(Buffer.from(await pool.store.get("out/1.txt")).toString()).toBe("number 1");
      const keys: string[] = [];
      for await (const object of pool.store.list("out/")) keys.push(object.key);
      expect(keys).toEqual(["out/1.txt", "out/2.txt"]);
      await pool.store.delete("out/1.txt");
      expect(await pool.store.find("out/1.txt")).toBeUndefined();
      expect(await rejection(pool.store.get("out/1.txt"))).toMatchObject({ code: "NOT_FOUND" });
      expect(await rejection(pool.store.get("../escape"))).toMatchObject({ code: "BAD_KEY" });
    });
  });

  describe("secret", () => {
    it("travels as its name; the store never holds its value", async () => {
      process.env.KINGLET_TEST_SECRET = "s3cr3t-value-42";
      const storage = freshStorage();
      const pool = testPool({ storage });
      const key = secret("KINGLET_TEST_SECRET");
      const [length, shownAs] = await pool.run(() => [key.value.length, `${key}`] as const);
      expect([length, shownAs]).toEqual([15, "[secret KINGLET_TEST_SECRET]"]);
      await pool.close();
      const stored = Buffer.from(await contentsOf(storage));
      expect(stored.length).toBeGreaterThan(100);
      expect(stored.includes("s3cr3t-value-42")).toBe(false);
    });
  });

  describe("task(): a module in place of a closure", () => {
    it("its functions are found by name", async () => {
      const pool = testPool();
      const tasks = task<typeof import("../types/tasks.ts")>(import.meta.resolve("../types/tasks.ts"));
      expect(await pool.map(tasks.half, [2, 4])).toEqual([1, 2]);
      const half = task<typeof import("../types/tasks.ts"), "half">(
        import.meta.resolve("../types/tasks.ts"),
        "half",
      );
      expect(await pool.run(half, 5)).toBe(2.5);
    });

    it("a URL's default export", async () => {
      const folder = temporaryFolder();
      writeFileSync(path.join(folder, "shout.mjs"), "export default (text) => text.toUpperCase();");
      const pool = testPool();
      expect(await pool.map(path.join(folder, "shout.mjs"), ["a"])).toEqual(["A"]);
    });
  });

  describe("options", () => {
    it("env reaches the task, and not the next one", async () => {
      const pool = testPool({ concurrency: 1 });
      expect(await pool.run(() => process.env.KINGLET_MODE, undefined, { env: { KINGLET_MODE: "x" } })).toBe(
        "x",
      );
      expect(await pool.run(() => process.env.KINGLET_MODE)).toBeUndefined();
    });

    it("isolate: a process of its own for each task", async () => {
      const pool = testPool();
      const pids = await pool.map(() => process.pid, [1, 2, 3], { isolate: true });
      expect(new Set(pids).size).toBe(3);
      expect(pids).not.toContain(process.pid);
    });

    it("retryErrors: a number, or a predicate with the user's own error", async () => {
      const folder = temporaryFolder();
      const flaky = async (name: string) => {
        const { appendFileSync, readFileSync } = await import("node:fs");
        appendFileSync(`${folder}/${name}`, "x");
        const tries = readFileSync(`${folder}/${name}`).length;
        if (tries < 3) throw Object.assign(new RangeError("flaky"), { transient: true });
        return tries;
      };
      const pool = testPool();
      expect(await pool.run(flaky, "a", { retryErrors: 2 })).toBe(3);
      expect(await rejection(pool.run(flaky, "b", { retryErrors: 1 }))).toMatchObject({ message: "flaky" });
      const seen: unknown[] = [];
      const rule = (error: unknown, attempt: number) => {
        seen.push([error instanceof RangeError, (error as { transient: boolean }).transient, attempt]);
        return attempt < 5;
      };
      expect(await pool.run(flaky, "c", { retryErrors: rule })).toBe(3);
      expect(seen).toEqual([
        [true, true, 1],
        [true, true, 2],
      ]);
    });

    it("ctx.attempt counts the tries of each task from 1, errors and crashes alike", async () => {
      const pool = testPool({ concurrency: 2 });
      const tries = (failing: number, ctx: { attempt: number }) => {
        if (ctx.attempt > failing) return ctx.attempt;
        if (ctx.attempt === 2) process.exit(3);
        throw new RangeError(`try ${ctx.attempt}`);
      };
      expect(await pool.map(tries, [0, 1, 2, 3, 0], { retryErrors: 5, retries: 5 })).toEqual([1, 2, 3, 4, 1]);
    });

    it("on: another pool", async () => {
      const [here, there] = [testPool(), testPool()];
      const job = here.map((n) => n + 1, [1], { on: there });
      expect(await job).toEqual([2]);
      expect(await there.attach(job.id)).toEqual([2]);
    });

    it("retryErrors: an async predicate is waited for", async () => {
      const pool = testPool();
      let asked = 0;
      const never = async () => {
        asked += 1;
        return false;
      };
      const fail = () => {
        throw new Error("no");
      };
      expect(await rejection(pool.run(fail, undefined, { retryErrors: never }))).toMatchObject({
        message: "no",
      });
      expect(asked).toBe(1);
    });

    it("concurrency of a call, or of a view, limits its tasks at a time", async () => {
      const folder = temporaryFolder();
      const most = async (pool: Pool, options: CallOptions) => {
        const seen = await pool.map(
          async (n) => {
            const { readdirSync, rmSync, writeFileSync } = await import("node:fs");
            writeFileSync(`${folder}/${n}`, "");
            await new Promise((resolve) => setTimeout(resolve, 30));
            const running = readdirSync(folder).length;
            rmSync(`${folder}/${n}`);
            return running;
          },
          [1, 2, 3, 4, 5, 6],
          { batch: 1, ...options },
        );
        return Math.max(...seen);
      };
      const pool = testPool({ concurrency: 3 });
      expect(await most(pool, { concurrency: 1 })).toBe(1);
      expect(await most(pool.with({ concurrency: 1 }), {})).toBe(1);
      expect(await most(pool, { cpus: 3 })).toBe(1);
    });

    it("without a limit, tasks run side by side", async () => {
      const folder = temporaryFolder();
      const meet = async (n: number) => {
        const { existsSync, writeFileSync } = await import("node:fs");
        writeFileSync(`${folder}/${n}`, "");
        while (!existsSync(`${folder}/${1 - n}`)) await new Promise((resolve) => setTimeout(resolve, 5));
        return n;
      };
      expect(await testPool().map(meet, [0, 1], { batch: 1 })).toEqual([0, 1]);
    });

    it("with: a view with other defaults", async () => {
      const pool = testPool();
      const strict = pool.with({ timeoutMs: 300, retries: 0 });
      const error = await rejection(
        strict.run(() => {
          for (;;);
        }),
      );
      expect(error).toMatchObject({ code: "TIMED_OUT", evidence: expect.stringMatching(/300 ms/) });
      expect(await pool.run(() => 1)).toBe(1);
    });
  });
});
