import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { keysIn, onRemoteStores } from "../support/job-stores.ts";
import { freshStorage } from "../support/pools.ts";
import { endAll, Folder, kinglet, type Ran, startKinglet } from "./kinglet.ts";

onRemoteStores(() => {
  describe("the command line on a store behind a server", () => {
    let folder: Folder;
    beforeAll(() => {
      folder = new Folder();
      folder.script(
        "work.ts",
        `import { openPool } from "kinglet";
         const pool = openPool({ concurrency: 1, logs: false });
         const job = pool.map(async (n) => {
           console.log("task", n);
           if (n >= 2 && process.env.HANG) await new Promise(() => setTimeout(() => {}, 1e9));
           return n * 10;
         }, [0, 1, 2, 3], { batch: 1 });
         console.log("id", job.id);
         try { for await (const value of job) console.log("value", value); }
         catch (error) { console.log(error.code); }
         await pool.close();`,
      );
    });
    afterEach(endAll);
    afterAll(() => folder.remove());

    const run = (args: readonly string[]): Promise<Ran> => kinglet(args, { cwd: folder.path });
    /** Starts the script; its job hangs in its third task. */
    async function hanging(storage: string) {
      const env = { KINGLET_STORAGE: storage, HANG: "1" };
      const started = startKinglet(["run", "--no-progress", "work.ts"], { cwd: folder.path, env });
      let id = "";
      await started.printed({
        test: (text) => {
          id = /id (\S+)/.exec(text)?.[1] ?? "";
          return text.includes("value 10");
        },
      });
      return { ...started, id };
    }

    it("shows, resumes, prints and cleans the jobs of a driver that died", async () => {
      const storage = freshStorage();
      const { child, ended, id } = await hanging(storage);
      child.kill("SIGTERM");
      await ended;
      const at = ["--storage", storage];
      expect((await run(["jobs", ...at])).stdout).toMatch(new RegExp(`${id} .* interrupted +2/4`));
      const resumed = await run(["resume", id, "--json", "--no-progress", ...at]);
      expect([JSON.parse(resumed.stdout), resumed.code]).toEqual([[0, 10, 20, 30], 0]);
      const { stdout: lines } = await run(["logs", id, "--follow", ...at]);
      for (const n of [0, 1, 2, 3]) expect(lines).toContain(`[task ${n}] task ${n}\n`);
      expect((await run(["jobs", ...at])).stdout).toMatch(new RegExp(`${id} .* done +4/4`));
      expect((await run(["clean", "--all", ...at])).stdout).toContain(`deleted job ${id}`);
      expect(await keysIn(storage)).toEqual([]);
    });

    it("cancels a job through its driver", async () => {
      const storage = freshStorage();
      const { ended, id } = await hanging(storage);
      const cancelled = await run(["cancel", id, "--storage", storage]);
      expect([cancelled.stdout, cancelled.code]).toEqual([`Cancelled job ${id}.\n`, 0]);
      const { stdout, code } = await ended;
      expect([stdout.includes("CANCELLED"), code]).toEqual([true, 0]);
    });

    it("doctor finds the store in order, and says what is wrong with one that isn't", async () => {
      const good = await run(["doctor", "--storage", freshStorage()]);
      expect([good.stdout, good.code]).toEqual([expect.not.stringContaining("PROBLEM"), 0]);
      const away = freshStorage().replace(/^(s3|redis)(:\/\/)[^/]+/, "$1$2no-such-place");
      const bad = await run(["doctor", "--storage", away]);
      expect([bad.stdout, bad.code]).toEqual([expect.stringMatching(/PROBLEM +storage/), 1]);
    });
  });
});
