import { hash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { zipSync } from "fflate";
import type { WorkerZipManifest } from "../src/compute/lambda/deploy/worker-zip.ts";

const UNIX = 3;
/** A file that all may read: Lambda runs functions as another user than their owner. */
const READABLE = 0o100644 << 16;

/** The same files give the same bytes, so that functions are named, and found, by their content. */
export function packWorker(
  files: Readonly<Record<string, Uint8Array>>,
  handler: string,
): { zip: Uint8Array; manifest: WorkerZipManifest } {
  const names = Object.keys(files).sort();
  const zip = zipSync(Object.fromEntries(names.map((name) => [name, files[name]!])), {
    level: 9,
    // Zip holds local times without a zone: this one is the same wherever the package is built.
    mtime: new Date(1980, 0, 1),
    os: UNIX,
    attrs: READABLE,
  });
  const manifest = {
    sha256: hash("sha256", zip),
    sizeBytes: zip.length,
    handler,
    files: Object.fromEntries(names.map((name) => [name, files[name]!.length])),
  };
  return { zip, manifest };
}

/** Packs the built modules of a folder into lambda-worker.zip and lambda-worker.json in `target`. */
export function writeWorkerZip(target: string, folder: string, handler: string): void {
  const names = readdirSync(folder).filter((name) => name.endsWith(".mjs"));
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(path.join(folder, name))]));
  const { zip, manifest } = packWorker(files, handler);
  writeFileSync(path.join(target, "lambda-worker.zip"), zip);
  writeFileSync(path.join(target, "lambda-worker.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
}
