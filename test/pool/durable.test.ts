import { appendFileSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { keysIn, onEveryStore } from "../support/job-stores.ts";
import { freshStorage, rejection, temporaryFolder, testPool } from "../support/pools.ts";
import { eventually, startNode } from "../support/processes.ts";

const linesOf = (file: string) => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []);

onEveryStore(() => {
  describe("attach", () => {
    it("finds a finished job in another pool", async () => {
      const storage = freshStorage();
      const first = testPool({ storage });
      const job = first.map((n) => ({ n, at: new Date(0) }), [1, 2]);
      await job;
      await first.close();
      const second = testPool({ storage });
      const found = second.attach<{ n: number }>(job.id);
      expect(await found).toEqual([
        { n: 1, at: new Date(0) },
        { n: 2, at: new Date(0) },
      ]);
      const seen: number[] = [];
      for await (const value of second.attach<{ n: number }>(job.id)) seen.push(value.n);
      expect(seen).toEqual([1, 2]);
    });

    it("finds a finished run, and one that failed", async () => {
      const storage = freshStorage();
      const first = testPool({ storage });
      const good = first.run(() => "kept");
      const bad = first.run(() => {
        throw new RangeError("kept too");
      });
      await good;
      await rejection(bad);
      await first.close();
      const second = testPool({ storage });
      expect(await second.attach(good.id)).toEqual(["kept"]);
      expect(await rejection(second.attach(bad.id))).toMatchObject({ message: "kept too" });
    });

    it("follows a job that a living process leads", async () => {
      const storage = freshStorage();
      const leader = testPool({ storage });
      const gate = path.join(temporaryFolder(), "gate");
      const job = leader.map(
        async (n) => {
          const { existsSync } = await import("node:fs");
          while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 20));
          return n * 2;
        },
        [1, 2, 3],
      );
      while (job.progress.running === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      const follower = startNode([
        "--input-type=module",
        "-e",
        `import { openPool } from ${JSON.stringify(path.resolve("src/index.ts"))};
       const pool = openPool({ storage: ${JSON.stringify(storage)} });
       console.log("following");
       console.log(JSON.stringify(await pool.attach(${JSON.stringify(job.id)})));
       await pool.close();`,
      ]);
      await eventually("the follower starts", () => follower.stdout().includes("following"));
      appendFileSync(gate, "");
      expect(await job).toEqual([2, 4, 6]);
      const { stdout, stderr } = await follower.finished;
      expect(stderr).toBe("");
      expect(stdout).toContain("[2,4,6]");
    });

    it("detached jobs are left in the store when the pool closes, and go on elsewhere", async () => {
      const storage = freshStorage();
      const first = testPool({ storage, concurrency: 1 });
      const gate = path.join(temporaryFolder(), "gate");
      const job = first.map(
        async (n) => {
          const { existsSync } = await import("node:fs");
          while (n > 0 && !existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 20));
          return n;
        },
        [0, 1, 2],
      );
      while (job.progress.done === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      job.detach();
      await first.close();
      appendFileSync(gate, "");
      expect(await testPool({ storage }).attach(job.id)).toEqual([0, 1, 2]);
    });
  });

  describe("retain", () => {
    it("job: nothing of the jobs is left when the pool has closed", async () => {
      const storage = freshStorage();
      const pool = testPool({ storage, retain: "job" });
      expect(await pool.map((n) => n, [1, 2])).toEqual([1, 2]);
      expect(await pool.run((bytes) => bytes.length, new Uint8Array(100_000))).toBe(100_000);
      await pool.close();
      expect(await keysIn(storage, "journals/")).toEqual([]);
    });

    it("one call that stays keeps the journal that it shares", async () => {
      const storage = freshStorage();
      const pool = testPool({ storage });
      await pool.run(() => 1, undefined, { retain: "job" });
      const kept = pool.run(() => 2);
      await kept;
      await pool.close();
      expect(await testPool({ storage }).attach(kept.id)).toEqual([2]);
    });
  });

  describe("name: run the script again and it goes on", () => {
    it("equal items of the same function and name aren't run again; new ones are", async () => {
      const folder = temporaryFolder();
      const storage = freshStorage();
      const runs = path.join(folder, "runs");
      const session = async (items: unknown[]) => {
        const pool = testPool({ storage });
        const results = await pool.map(
          async (item) => {
            const { appendFileSync } = await import("node:fs");
            appendFileSync(runs, `${JSON.stringify(item)}\n`);
            return `did ${JSON.stringify(item)}`;
          },
          items,
          { name: "nightly" },
        );
        await pool.close();
        return results;
      };
      const first = await session([1, "two", { three: 3 }]);
      expect(linesOf(runs).sort()).toEqual(['"two"', "1", '{"three":3}']);
      expect(await session([{ three: 3 }, 4, 1, "two"])).toEqual([first[2], "did 4", first[0], first[1]]);
      expect(linesOf(runs)).toHaveLength(4);
      // And once more: also what the second session took over is found.
      await session([4, 1]);
      expect(linesOf(runs)).toHaveLength(4);
    });

    it("a run with a name isn't run again either", async () => {
      const folder = temporaryFolder();
      const storage = freshStorage();
      const runs = path.join(folder, "runs");
      for (let i = 0; i < 2; i++) {
        const pool = testPool({ storage });
        const train = async (seed: number) => {
          const { appendFileSync } = await import("node:fs");
          appendFileSync(runs, "ran\n");
          return { weights: [seed, seed * 2] };
        };
        expect(await pool.run(train, 7, { name: "model" })).toEqual({ weights: [7, 14] });
        await pool.close();
      }
      expect(linesOf(runs)).toEqual(["ran"]);
    });

    it("another function, or another value captured, runs anew", async () => {
      const storage = freshStorage();
      const results: number[][] = [];
      for (const factor of [2, 3, 2]) {
        const pool = testPool({ storage });
        results.push(await pool.map((n) => n * factor, [1, 2], { name: "factors" }));
        await pool.close();
      }
      expect(results).toEqual([
        [2, 4],
        [3, 6],
        [2, 4],
      ]);
    });

    it("failures are tried again; big items are found by their content", async () => {
      const folder = temporaryFolder();
      const storage = freshStorage();
      const mended = path.join(folder, "mended");
      const runs = path.join(folder, "runs");
      const session = async () => {
        const pool = testPool({ storage });
        const settled = await pool.mapSettled(
          async (bytes) => {
            const { appendFileSync, existsSync } = await import("node:fs");
            appendFileSync(runs, `${bytes[0]}\n`);
            if (bytes[0] === 2 && !existsSync(mended)) throw new Error("not yet");
            return bytes[0];
          },
          [new Uint8Array(100_000).fill(1), new Uint8Array(100_000).fill(2)],
          { name: "big" },
        );
        await pool.close();
        return settled.map((one) => one.status);
      };
      expect(await session()).toEqual(["fulfilled", "rejected"]);
      appendFileSync(mended, "");
      expect(await session()).toEqual(["fulfilled", "fulfilled"]);
      expect(linesOf(runs).sort()).toEqual(["1", "2", "2"]);
    });
  });

  describe("input that wasn't drawn to its end", () => {
    it("is resumed as far as it was recorded, and that is said", async () => {
      const storage = freshStorage();
      const script = `
      import { openPool } from ${JSON.stringify(path.resolve("src/index.ts"))};
      const pool = openPool({ storage: ${JSON.stringify(storage)}, concurrency: 1 });
      async function* source() { for (let i = 0; i < 5; i++) yield i; console.log("five"); await new Promise((r) => setTimeout(r, 60000)); }
      const job = pool.map((n) => n * 3, source());
      console.log("id", job.id);
      for await (const v of job) console.log("value", v);`;
      const driver = startNode(["--input-type=module", "-e", script]);
      while (!driver.stdout().includes("value 12")) await new Promise((resolve) => setTimeout(resolve, 20));
      driver.child.kill("SIGKILL");
      await driver.finished;
      const id = /id (\S+)/.exec(driver.stdout())![1]!;
      const pool = testPool({ storage });
      const job = pool.attach<number>(id);
      expect(await rejection(job)).toMatchObject({ code: "INPUT_INCOMPLETE", drawn: 5 });
      const values: number[] = [];
      const error = await rejection(
        (async () => {
          for await (const value of job) values.push(value);
        })(),
      );
      expect(error).toMatchObject({ code: "INPUT_INCOMPLETE" });
      expect(values).toEqual([0, 3, 6, 9, 12]);
    });
  });
});
