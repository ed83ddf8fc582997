import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDiskStore } from "../../src/storage/disk.ts";
import { newFolder } from "./disk-stores.ts";

const SMALL_BYTES = 512 * 1024;

/** Mounts a file system of half a MiB; says why it can't. */
function mountTmpfs(folder: string, options: string): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return "needs root on Linux, to mount a tmpfs";
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], {
    encoding: "utf8",
  });
  return status === 0 ? undefined : `mount: ${stderr}`;
}

describe("a disk", () => {
  let folder: string;
  let mounted = false;
  beforeEach(() => {
    folder = newFolder();
  });
  afterEach(() => {
    if (mounted) spawnSync("umount", [folder]);
    mounted = false;
    fs.rmSync(folder, { recursive: true, force: true });
  });

  function small(skip: (why: string) => void, options = `size=${SMALL_BYTES},mode=700`): string {
    const obstacle = mountTmpfs(folder, options);
    mounted = obstacle === undefined;
    if (obstacle !== undefined) skip(obstacle);
    return folder;
  }

  it("that is full gives STORE_FULL, and keeps what it has", async ({ skip }) => {
    const store = openDiskStore(small(skip));
    await store.put("kept", Buffer.alloc(100_000, 1));
    const tooBig = Buffer.alloc(SMALL_BYTES, 2);
    const expected = { code: "STORE_FULL", key: "big", remedy: expect.stringContaining("kinglet clean") };
    await expect(store.put("big", tooBig)).rejects.toMatchObject(expected);
    await expect(store.put("big", tooBig, { ifAbsent: true })).rejects.toMatchObject(expected);
    const stream = async function* () {
      for (let i = 0; i < 20; i += 1) yield Buffer.alloc(60_000, 3);
    };
    await expect(store.put("big", stream())).rejects.toMatchObject(expected);
    expect(await store.exists("big")).toBe(false);
    await expect(store.put("kept", tooBig)).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(new Set(await store.get("kept"))).toEqual(new Set([1]));
    // Nothing half-written is left to fill it.
    expect(fs.readdirSync(path.join(folder, "%tmp"))).toEqual([]);
    await store.put("small", Buffer.alloc(100_000));
  });

  it("that fills while a log grows ends the log, whose readers see what was whole", async ({ skip }) => {
    const store = openDiskStore(small(skip));
    const log = await store.openLog!("log");
    await log.append([Buffer.alloc(100_000, 1)]);
    const append = (sizeBytes: number) => (async () => log.append([Buffer.alloc(sizeBytes, 2)]))();
    await expect(append(SMALL_BYTES)).rejects.toMatchObject({ code: "STORE_FULL", key: "log" });
    await expect(append(1)).rejects.toMatchObject({ code: "STORE_UNWRITABLE", key: "log" });
    expect(log.sizeBytes).toBe(100_000);
    const whole = await store.get("log", { range: { offsetBytes: 0, lengthBytes: log.sizeBytes } });
    expect(new Set(whole)).toEqual(new Set([1]));
    await store.close();
  });

  it("that is full from the start gives STORE_FULL on opening", async ({ skip }) => {
    small(skip);
    openDiskStore(folder);
    const filler = path.join(folder, "filler");
    expect(() => fs.writeFileSync(filler, Buffer.alloc(SMALL_BYTES))).toThrow("ENOSPC");
    expect(() => openDiskStore(folder)).toThrow(expect.objectContaining({ code: "STORE_FULL" }));
  });

  it("that is read-only gives STORE_UNWRITABLE, on opening and after", async ({ skip }) => {
    small(skip);
    const store = openDiskStore(folder);
    await store.put("a", Buffer.from("x"));
    expect(spawnSync("mount", ["-o", "remount,ro", folder]).status).toBe(0);
    const expected = { code: "STORE_UNWRITABLE", message: expect.stringContaining(JSON.stringify(folder)) };
    expect(() => openDiskStore(folder)).toThrow(expect.objectContaining(expected));
    await expect(store.put("b", Buffer.from("x"))).rejects.toMatchObject({
      code: "STORE_UNWRITABLE",
      key: "b",
    });
    await expect(store.delete(["a"])).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
    expect(Buffer.from(await store.get("a")).toString()).toBe("x");
  });

  it("on which this user may not write gives STORE_UNWRITABLE", () => {
    const closed = path.join(folder, "closed");
    fs.mkdirSync(closed, { mode: 0o500 });
    fs.chmodSync(folder, 0o755);
    // For root no folder is closed: the process becomes another user once it has read its modules.
    const source = `const { openDiskStore } = await import(${JSON.stringify(import.meta.resolve("../../src/storage/disk.ts"))});
      if (process.getuid() === 0) process.setgid(65534), process.setuid(65534);
      try { openDiskStore(${JSON.stringify(path.join(closed, "store"))}) } catch (error) { console.log(error.code, error.message) }`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
      encoding: "utf8",
    });
    expect(stdout + stderr).toMatch(/^STORE_UNWRITABLE .*"[^"]*closed.store".*KINGLET_STORAGE/s);
  });
});

it("a limit on the size of files is STORE_FULL, too", () => {
  const folder = newFolder();
  const source = `const { openDiskStore } = await import(${JSON.stringify(import.meta.resolve("../../src/storage/disk.ts"))});
    const store = openDiskStore(${JSON.stringify(path.join(folder, "store"))});
    await store.put("big", Buffer.alloc(1_000_000)).catch((error) => console.log(error.code, error.key));`;
  try {
    const command = `ulimit -f 100; exec "$0" --input-type=module -e "$1"`;
    const { stdout, stderr } = spawnSync("sh", ["-c", command, process.execPath, source], {
      encoding: "utf8",
    });
    expect(stdout + stderr).toBe("STORE_FULL big\n");
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
