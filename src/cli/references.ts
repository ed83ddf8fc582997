import type { ObjectStore } from "../storage/contract.ts";

/** Ids of journals, hashes of functions and values, and ids of dataflow's intermediate objects that bytes mention. */
export interface References {
  readonly journals: Set<string>;
  readonly hashes: Set<string>;
  readonly dataflows: Set<string>;
}

export const noReferences = (): References => ({
  journals: new Set(),
  hashes: new Set(),
  dataflows: new Set(),
});

/** Longest text that is looked for; pieces overlap by as much, so that none is cut in two. */
const OVERLAP_BYTES = 256;
const MENTION =
  /journals\/([0-9a-z-]{6,64})\/|(\d{6}-\d{6}-[0-9a-z]{8})|([0-9a-f]{64})|dataflow\/([0-9a-f]{16})/g;

/**
 * What an object's bytes refer to, conservatively: every text that looks like a journal's id or a content hash
 * counts, wherever it stands. Values are opaque (a broadcast's handle may lie anywhere inside an item), so a mark
 * phase that decoded them would have to run users' code.
 */
export async function addReferences(store: ObjectStore, key: string, found: References): Promise<void> {
  let before = "";
  for await (const piece of store.getStream(key)) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    const text = before + bytes.toString("latin1");
    mentions(text, found);
    // V8 writes strings that hold anything beyond Latin-1 with two bytes a character.
    if (text.includes("\0")) mentions(text.replaceAll("\0", ""), found);
    before = text.slice(-OVERLAP_BYTES);
  }
}

function mentions(text: string, found: References): void {
  for (const [, prefix, id, hash, dataflow] of text.matchAll(MENTION)) {
    if (hash !== undefined) found.hashes.add(hash);
    else if (dataflow !== undefined) found.dataflows.add(dataflow);
    else found.journals.add((prefix ?? id)!);
  }
}
