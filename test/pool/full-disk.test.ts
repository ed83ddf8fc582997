import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openPool } from "../../src/index.ts";
import { rejection, temporaryFolder, testPool, thrown } from "../support/pools.ts";

const mounts: string[] = [];
afterEach(() => {
  for (const folder of mounts.splice(0)) spawnSync("umount", ["-l", folder]);
});

/** A disk of `sizeKb`; undefined where this user can't make one. */
function smallDisk(sizeKb: number): string | undefined {
  const folder = path.join(temporaryFolder(), "disk");
  mkdirSync(folder);
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeKb}k`, "tmpfs", folder]);
  if (status !== 0) return undefined;
  mounts.push(folder);
  return folder;
}

const canMount = (() => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const probe = smallDisk(64);
  if (probe) spawnSync("umount", [probe]);
  mounts.length = 0;
  return probe !== undefined;
})();
if (!canMount) console.warn("SKIPPED: tests of a full disk need root on Linux, to mount a small one");

describe("a full disk", () => {
  it("CI can make one", () => {
    expect(canMount || !process.env.CI).toBe(true);
  });

  it.runIf(canMount)("is an error when the pool is opened", () => {
    const disk = smallDisk(64)!;
    expect(() => writeFileSync(path.join(disk, "filler"), new Uint8Array(128 * 1024))).toThrow(/ENOSPC/);
    const error = thrown(() => openPool({ storage: path.join(disk, "store") }));
    expect(error.code).toBe("STORE_FULL");
    expect(error.message).toMatch(/full|space/i);
  });

  it.runIf(canMount)(
    "fails the job whose items don't fit, before anything runs; freed, the pool goes on",
    async () => {
      const disk = smallDisk(1024)!;
      const pool = testPool({ storage: path.join(disk, "store") });
      const ran = path.join(path.dirname(disk), "ran");
      const error = await rejection(
        pool.map(
          async (bytes) => {
            const { writeFileSync } = await import("node:fs");
            writeFileSync(ran, "");
            return bytes.length;
          },
          [new Uint8Array(2_000_000)],
        ),
      );
      expect(error.code).toBe("STORE_FULL");
      expect(error.message).toMatch(/full|space/i);
      expect(thrown(() => rmSync(ran)).message).toMatch(/ENOENT/);
      // The part that was written of the item goes in a moment.
      const goesOn = () => pool.run(() => "goes on").catch(() => undefined);
      let result: string | undefined;
      for (let tries = 0; result === undefined && tries < 100; tries++) {
        result = await goesOn();
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(result).toBe("goes on");
    },
  );
});
