import { mkdirSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { StorageClient } from "./client.ts";

/** A file for each object, in place: no folder to make, no name to link, no checksum. What the disk gives. */
export function openPlainFiles(folder: string): StorageClient {
  mkdirSync(folder, { recursive: true });
  const fileOf = (key: string) => path.join(folder, key.replaceAll("/", "%"));
  return {
    put: (key, body) => writeFile(fileOf(key), body),
    get: async (key) => (await readFile(fileOf(key))).length,
    delete: async (keys) => {
      await Promise.all(keys.map((key) => rm(fileOf(key), { force: true })));
    },
    close: async () => {},
  };
}
