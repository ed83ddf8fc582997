import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { newFolder } from "./disk-stores.ts";

let folder: string;
let root: string;
beforeEach(() => {
  folder = newFolder();
  root = path.join(folder, "store");
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const modeOf = (file: string): string => (fs.lstatSync(file).mode & 0o777).toString(8);
const text = (value: string): Buffer => Buffer.from(value);
const errorOf = async (run: () => unknown): Promise<unknown> => {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error("it was not refused");
};

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list("")) keys.push(key);
  return keys;
}

describe("nobody else gets in:", () => {
  it("folders are 0700 and files at most 0600, whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      const store = openDiskStore(root);
      await store.put("a/b/object", text("x"));
      await store.put("a/b/created", text("x"), { ifAbsent: true });
      (await store.openLog!("c/log")).append([text("x")]);
    } finally {
      process.umask(umask);
    }
    for (const name of ["", "a", "a/b", "c", "%tmp"])
      expect([name, modeOf(path.join(root, name))]).toEqual([name, "700"]);
    for (const name of ["a/b/object", "a/b/created"]) expect(modeOf(path.join(root, name))).toBe("400");
    for (const name of ["c/log", "kinglet-store.json"]) expect(modeOf(path.join(root, name))).toBe("600");
  });

  it("an empty folder that was there is closed to others", () => {
    fs.mkdirSync(root, { mode: 0o755 });
    openDiskStore(root);
    expect(modeOf(root)).toBe("700");
  });

  it("the root itself may be reached by a link, which the user made", async () => {
    fs.mkdirSync(path.join(folder, "elsewhere"));
    fs.symlinkSync(path.join(folder, "elsewhere"), root);
    await openDiskStore(root).put("a", text("x"));
    expect(fs.existsSync(path.join(folder, "elsewhere/a"))).toBe(true);
  });
});

describe("a symbolic link inside the store", () => {
  /** Something outside that a link leads to. */
  function outside(): { secret: string; store: ReturnType<typeof openDiskStore> } {
    const store = openDiskStore(root);
    fs.mkdirSync(path.join(folder, "outside"));
    const secret = path.join(folder, "outside/secret");
    fs.writeFileSync(secret, "secret");
    return { secret, store };
  }

  it("in place of an object is never read, nor written through", async () => {
    const { secret, store } = outside();
    fs.symlinkSync(secret, path.join(root, "a"));
    const expected = { code: "STORE_CORRUPT", key: "a", message: expect.stringContaining("symbolic link") };
    await expect(store.get("a")).rejects.toMatchObject(expected);
    await expect(store.put("a", text("x"), { ifAbsent: true })).rejects.toMatchObject(expected);
    expect(await errorOf(() => store.openLog!("a"))).toMatchObject(expected);
    expect(store.exists("a")).toBe(false);
    expect(await keysOf(store)).toEqual([]);
    await store.delete(["a"]);
    await store.put("a", text("new"));
    expect(fs.readFileSync(secret, "utf8")).toBe("secret");
    expect(fs.lstatSync(path.join(root, "a")).isSymbolicLink()).toBe(false);
  });

  it("in place of a folder is never entered", async () => {
    const { secret, store } = outside();
    fs.symlinkSync(path.dirname(secret), path.join(root, "d"));
    const expected = { code: "STORE_CORRUPT", message: expect.stringContaining("symbolic link") };
    await expect(store.get("d/secret")).rejects.toMatchObject(expected);
    await expect(store.put("d/new", text("x"))).rejects.toMatchObject(expected);
    await expect(store.put("d/deep/new", text("x"), { ifAbsent: true })).rejects.toMatchObject(expected);
    await expect(store.delete(["d/secret"])).rejects.toMatchObject(expected);
    await expect(store.head("d/secret")).rejects.toMatchObject(expected);
    expect(await errorOf(() => store.exists("d/secret"))).toMatchObject(expected);
    expect(await errorOf(() => store.openLog!("d/log"))).toMatchObject(expected);
    expect(await keysOf(store)).toEqual([]);
    expect(fs.readdirSync(path.dirname(secret))).toEqual(["secret"]);
  });

  it("that leads nowhere is no folder to make things in", async () => {
    const { store } = outside();
    fs.symlinkSync(path.join(folder, "made-by-attack"), path.join(root, "d"));
    await expect(store.put("d/new", text("x"))).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    expect(fs.existsSync(path.join(folder, "made-by-attack"))).toBe(false);
  });

  it("in place of the temporary folder stops the store from opening", () => {
    outside();
    fs.rmSync(path.join(root, "%tmp"), { recursive: true });
    fs.symlinkSync(path.join(folder, "outside"), path.join(root, "%tmp"));
    expect(() => openDiskStore(root)).toThrow(/STORE_CORRUPT|own folder/);
  });
});

describe("things that aren't objects", () => {
  it("a pipe in an object's place doesn't hang its reader", async () => {
    const store = openDiskStore(root);
    const { spawnSync } = await import("node:child_process");
    expect(spawnSync("mkfifo", [path.join(root, "a")]).status).toBe(0);
    await expect(store.get("a")).rejects.toMatchObject({ code: "STORE_CORRUPT", key: "a" });
    expect(await keysOf(store)).toEqual([]);
  });

  it("an object and a folder of one name are refused, and nothing is lost", async () => {
    const store = openDiskStore(root);
    await store.put("a", text("object"));
    for (const options of [{}, { ifAbsent: true }]) {
      await expect(store.put("a/b", text("x"), options)).rejects.toMatchObject({
        code: "BAD_KEY",
        key: "a/b",
      });
      await store.put("d/b", text("x"), options);
      await expect(store.put("d", text("x"), options)).rejects.toMatchObject({ code: "BAD_KEY", key: "d" });
    }
    expect(await errorOf(() => store.openLog!("d"))).toMatchObject({ code: "BAD_KEY" });
    expect(Buffer.from(await store.get("a")).toString()).toBe("object");
    expect(fs.readdirSync(path.join(root, "%tmp"))).toEqual([]);
  });

  it("an empty folder that a killed process left is no obstacle", async () => {
    const store = openDiskStore(root);
    fs.mkdirSync(path.join(root, "a/b"), { recursive: true });
    fs.rmdirSync(path.join(root, "a/b"));
    await store.put("a", text("x"), { ifAbsent: true });
    expect(Buffer.from(await store.get("a")).toString()).toBe("x");
  });

  it("folders that become empty are removed, and no others", async () => {
    const store = openDiskStore(root);
    await store.put("a/b/c/d", text("x"));
    await store.put("a/e", text("x"));
    await store.delete(["a/b/c/d"]);
    expect(fs.readdirSync(path.join(root, "a"))).toEqual(["e"]);
    await store.delete(["a/e"]);
    expect(fs.readdirSync(root).sort()).toEqual(["%tmp", "kinglet-store.json"]);
  });
});

describe("opening a folder as a store", () => {
  it("marks it with its format", () => {
    openDiskStore(root);
    expect(JSON.parse(fs.readFileSync(path.join(root, "kinglet-store.json"), "utf8"))).toEqual({ format: 1 });
    openDiskStore(root);
  });

  it.each([
    ["a newer Kinglet's", '{"format":2}', "STORE_VERSION", /written by a newer version.*format 2/],
    ["empty", "", "STORE_CORRUPT", /marker/],
    ["cut off", '{"form', "STORE_CORRUPT", /marker/],
    ["of something else", "[]", "STORE_CORRUPT", /marker/],
    ["null", "null", "STORE_CORRUPT", /marker/],
    ["without a number", '{"format":"1"}', "STORE_CORRUPT", /marker/],
  ])("refuses it when its marker is %s", async (_what, marker, code, message) => {
    fs.mkdirSync(root);
    fs.writeFileSync(path.join(root, "kinglet-store.json"), marker);
    const error = await errorOf(() => openDiskStore(root));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(String(error)).toContain(JSON.stringify(root));
  });

  it("refuses a folder of other things, and leaves it alone", async () => {
    fs.mkdirSync(root, { mode: 0o755 });
    fs.writeFileSync(path.join(root, "thesis.tex"), "");
    const error = await errorOf(() => openDiskStore(root));
    expect(error).toMatchObject({ code: "STORE_UNWRITABLE", message: expect.stringContaining("thesis.tex") });
    expect(fs.readdirSync(root)).toEqual(["thesis.tex"]);
    expect(modeOf(root)).toBe("755");
  });

  it.each([
    ["a file", () => fs.writeFileSync(root, "x")],
    [
      "below a file",
      () => {
        fs.writeFileSync(path.join(folder, "f"), "x");
        root = path.join(folder, "f/store");
      },
    ],
    ["a link to nothing", () => fs.symlinkSync(path.join(folder, "none"), root)],
    [
      "in /proc",
      () => {
        root = "/proc/kinglet/store";
      },
    ],
  ])("refuses %s at once, naming the folder and what to do", async (_what, prepare) => {
    prepare();
    const error = await errorOf(() => openDiskStore(root));
    expect(error).toMatchObject({
      code: "STORE_UNWRITABLE",
      remedy: expect.stringContaining("KINGLET_STORAGE"),
    });
    expect(String(error)).toContain(JSON.stringify(root));
  });

  it("sweeps what dead processes left, and only that", () => {
    openDiskStore(root);
    const temp = path.join(root, "%tmp");
    const host = os
      .hostname()
      .replaceAll(/[^A-Za-z0-9.]/g, "_")
      .slice(0, 60);
    const dead = 2 ** 22 + 1; // above every process id of Linux
    const files = {
      "dead and old": [`${host}-${dead}-1-a`, 120],
      "dead, but written just now": [`${host}-${dead}-2-a`, 0],
      "of this process": [`${host}-${process.pid}-1-a`, 120],
      "of another host": [`otherhost-${dead}-1-a`, 120],
      "of another host, a week ago": [`otherhost-${dead}-2-a`, 7 * 86_400],
    } as const;
    for (const [name, ageSeconds] of Object.values(files)) {
      fs.writeFileSync(path.join(temp, name), "half");
      const time = new Date(Date.now() - ageSeconds * 1000);
      fs.utimesSync(path.join(temp, name), time, time);
    }
    openDiskStore(root);
    const left = Object.entries(files).filter(([, [name]]) => fs.existsSync(path.join(temp, name)));
    expect(left.map(([what]) => what)).toEqual([
      "dead, but written just now",
      "of this process",
      "of another host",
    ]);
  });
});

describe("a store whose folder is removed while it is open", () => {
  it("says so", async () => {
    const store = openDiskStore(root);
    fs.rmSync(root, { recursive: true });
    const expected = { code: "STORE_UNAVAILABLE", message: expect.stringContaining(root) };
    await expect(store.put("a/b", text("x"))).rejects.toMatchObject(expected);
    await expect(store.put("a", text("x"), { ifAbsent: true })).rejects.toMatchObject(expected);
    expect(await errorOf(() => store.openLog!("a/log"))).toMatchObject(expected);
    await expect(store.get("a/b")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
