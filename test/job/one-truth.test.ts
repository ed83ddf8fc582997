import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { ENTRY_VALUE, Run, RunBuilder } from "../../src/job/entries.ts";
import { frameChunks } from "../../src/job/frames.ts";
import { createJournal, type Journal } from "../../src/job/journal.ts";
import { readJournal } from "../../src/job/journal-reader.ts";
import { journalPrefix, workerLogName } from "../../src/job/keys.ts";
import type { JobMeta, JournalRecord } from "../../src/job/records.ts";
import { takeOver } from "../../src/job/takeover.ts";
import { resumeParts } from "../../src/scheduler/resume.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { lookInto, onRemoteStores } from "../support/job-stores.ts";
import { freshStorage } from "../support/pools.ts";

const ID = "260101-000000-abcdefgh";
const identity = (driverId: string) => ({ kinglet: "0", node: "v24", driverId });
const META: JobMeta = {
  number: 0,
  kind: "map",
  functionHash: "f",
  functionName: "f",
  functionLocation: "",
  createdMs: 0,
  options: {},
};

function runOf(text: string, count: number): Uint8Array {
  const run = new RunBuilder({ jobNumber: 0, attempt: 1, first: 0 });
  for (let i = 0; i < count; i++) run.add(ENTRY_VALUE, [Buffer.from(`${text} ${i}`)]);
  return Buffer.concat(run.finish());
}

/** A worker writes its outcomes of tasks 0…2, and the record that would commit them. */
async function proposal(store: ObjectStore, worker: string): Promise<JournalRecord> {
  const frame = frameChunks([runOf(worker, 3)]);
  const log = await store.openLog!(journalPrefix(ID) + workerLogName(worker));
  const { key, offsetBytes } = await log.append(frame);
  await log.close();
  const name = key.slice(journalPrefix(ID).length);
  const location = { log: name, offsetBytes, lengthBytes: Buffer.concat(frame).length };
  return { type: "commit", jobNumber: 0, first: 0, count: 3, failed: 0, location };
}

/** What the store says that the tasks came to. */
async function truth(store: ObjectStore): Promise<string[]> {
  const { jobs } = await readJournal(store, ID);
  const values: string[] = [];
  for (const { first, count, location, skipBytes } of jobs.get(0)!.committed) {
    const { log, offsetBytes, lengthBytes } = location;
    const range = { offsetBytes: offsetBytes + 8 + skipBytes, lengthBytes: lengthBytes - 8 - skipBytes };
    const run = new Run(await store.get(journalPrefix(ID) + log, { range }));
    for (let i = first; i < first + count; i++) values[i] = Buffer.from(run.entry(i).body).toString();
  }
  return values;
}

const open = (store: ObjectStore, driverId: string): Promise<Journal> =>
  Promise.resolve(
    createJournal({
      store,
      id: ID,
      header: { ...identity(driverId), format: 1, epoch: 0, createdMs: 0 },
    }),
  );

const tests = () => {
  describe("two workers that finish the same batch at once", () => {
    it("then two drivers, then another: the user, the resume and every reader get one value", () =>
      lookInto(freshStorage(), async (store) => {
        const old = await open(store, "old");
        await old.append([
          { type: "job", job: META },
          { type: "inputs", run: runOf("input", 4) },
          { type: "input-complete", jobNumber: 0, total: 4 },
        ]);
        const proposals = await Promise.all(["a", "b"].map((worker) => proposal(store, worker)));
        const inline: JournalRecord = { type: "outcome", run: runOf("inline", 3) };
        await Promise.all([...proposals, inline].map((record) => old.append([record])));
        expect(await old.confirm()).toBe(true);
        const shown = await truth(store);
        expect(shown).toHaveLength(3);
        const [winner] = shown[0]!.split(" ");
        expect(shown).toEqual([0, 1, 2].map((i) => `${winner} ${i}`));

        // Another driver takes over while the old one goes on committing; then a third does.
        const [taken] = await Promise.all([
          takeOver(store, ID, identity("new"), systemClock, { force: true }),
          old.append([{ type: "outcome", run: runOf("late", 4) }]),
        ]);
        const isShown = await old.confirm();
        expect(isShown).toBe(false);
        const { adopted, settled } = await resumeParts(taken.journal, taken.state, taken.state.jobs.get(0)!);
        const known = settled.ranges.at(-1)!;
        expect(adopted).toEqual([]);
        await taken.journal.append([{ type: "outcome", run: runOf("new", 4) }]);
        expect(await taken.journal.confirm()).toBe(true);
        const seen = await truth(store);
        expect(seen.slice(0, 3)).toEqual(shown);
        expect(seen[3]).toBe(known === 4 ? "late 3" : "new 3");
        const third = await takeOver(store, ID, identity("third"), systemClock, { force: true });
        await old.append([{ type: "outcome", run: runOf("far too late", 4) }]);
        await third.journal.append([{ type: "outcome", run: runOf("third", 4) }]);
        expect(await truth(store)).toEqual(seen);
        for (const journal of [old, taken.journal, third.journal]) await journal.close();
      }));
  });
};

describe("on disk", tests);
onRemoteStores(tests);
