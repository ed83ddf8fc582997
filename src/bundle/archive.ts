import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { createGzip } from "node:zlib";
import { archiveKey } from "../job/keys.ts";
import type { ObjectStore } from "../storage/contract.ts";

/** A file of an archive, or text in place of one. */
export interface ArchiveEntry {
  /** Path in the archive. */
  readonly name: string;
  readonly source: { readonly file: string } | { readonly text: string };
}

/** An archive that could be made: the same entries give the same bytes everywhere. */
export interface Archive {
  /** SHA-256 of the tar, hex. */
  readonly hash: string;
  readonly sizeBytes: number;
  readonly entries: readonly ArchiveEntry[];
}

const BEGINNING = new Date(0);

async function tarOf(entries: readonly ArchiveEntry[]): Promise<AsyncIterable<Uint8Array>> {
  const { packTar } = await import("modern-tar/fs");
  const same = { mtime: BEGINNING, uid: 0, gid: 0, uname: "", gname: "" };
  return packTar(
    entries.map(({ name, source }) =>
      "file" in source
        ? { ...same, type: "file", target: name, source: source.file, mode: modeOf(source.file) }
        : { ...same, type: "content", target: name, content: source.text, mode: 0o644 },
    ),
  );
}

const modeOf = (file: string): number => ((fs.statSync(file).mode & 0o100) !== 0 ? 0o755 : 0o644);

/** What files hold, as far as that can be told without reading them. */
const known = new Map<string, Archive>();

/** Reads the files, through, once a process as long as they don't change. */
export async function describeArchive(entries: readonly ArchiveEntry[]): Promise<Archive> {
  const id = createHash("sha256")
    .update(JSON.stringify(entries.map(stampOf)))
    .digest("hex");
  const before = known.get(id);
  if (before) return before;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of await tarOf(entries)) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  const archive = { hash: hash.digest("hex"), sizeBytes, entries };
  known.set(id, archive);
  return archive;
}

function stampOf({ name, source }: ArchiveEntry): unknown[] {
  if ("text" in source) return [name, source.text];
  const { size, mtimeMs } = fs.statSync(source.file);
  return [name, path.resolve(source.file), size, mtimeMs];
}

/** Puts it into the store unless it is there: in chunks, in bounded memory. */
export async function uploadArchive(store: ObjectStore, { hash, entries }: Archive): Promise<void> {
  const key = archiveKey(hash);
  if (await store.exists(key)) return;
  const { pipeline, Readable } = await import("node:stream");
  const zipped = createGzip();
  pipeline(Readable.from(await tarOf(entries)), zipped, () => {}); // its errors come out of `zipped`
  await store.put(key, zipped, { ifAbsent: true });
}
