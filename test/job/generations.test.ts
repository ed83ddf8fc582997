import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { ENTRY_VALUE, RunBuilder } from "../../src/job/entries.ts";
import { dropGenerations, type JournalBase } from "../../src/job/generations.ts";
import { createJournal, type Journal } from "../../src/job/journal.ts";
import { JournalReader, readJournal } from "../../src/job/journal-reader.ts";
import { journalPrefix } from "../../src/job/keys.ts";
import type { JobMeta, JournalRecord } from "../../src/job/records.ts";
import { takeOver } from "../../src/job/takeover.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { StoreLayer } from "../../src/storage/layers/layer.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { withSegmentedLogs } from "../../src/storage/segmented-log.ts";

const ID = "260101-000000-abcdefgh";
const header = { format: 1, kinglet: "0", node: "v24", driverId: "dead", epoch: 0, createdMs: 0 } as const;
const meta: JobMeta = {
  number: 0,
  kind: "map",
  functionHash: "f",
  functionName: "fn",
  functionLocation: "a.ts:1:1",
  createdMs: 0,
  options: { retain: "consumed" },
};

function inputs(first: number, count: number): JournalRecord {
  const run = new RunBuilder({ jobNumber: 0, attempt: 0, first });
  for (let i = 0; i < count; i++) run.add(ENTRY_VALUE, [Buffer.from(`item ${first + i}`)]);
  return { type: "inputs", run: Buffer.concat(run.finish()) };
}

const commit = (first: number, count: number, log: string): JournalRecord => ({
  type: "commit",
  jobNumber: 0,
  first,
  count,
  failed: 0,
  location: { log, offsetBytes: 0, lengthBytes: 1 },
});

/** Ten tasks a generation; in each of them the last two of the one before are committed. */
async function journalOf(store: ObjectStore, generations: number): Promise<Journal> {
  const journal = await createJournal({ store, id: ID, header });
  await journal.append([{ type: "job", job: meta }]);
  for (let g = 0; g < generations; g++) {
    if (g > 0) expect(await journal.roll(0)).toBe(true);
    const log = `${journal.dataPrefix.slice(journal.prefix.length)}worker-a.log`;
    await store.put(`${journal.dataPrefix}worker-a.log`, Buffer.from("x"));
    const late = g > 0 ? [commit(10 * g - 2, 2, log)] : [];
    await journal.append([...late, inputs(10 * g, 10), commit(10 * g, 8, log)]);
  }
  return journal;
}

const baseAt = (epoch: number): JournalBase => ({
  epoch,
  job: { meta, drawn: 10 * epoch, consumed: 10 * epoch, failed: 0 },
});

const generationsBefore = (journal: Journal, epoch: number) =>
  Array.from({ length: epoch }, (_, e) => ({
    epoch: e,
    dataPrefix: e === 0 ? journal.prefix : `${journal.prefix}g${e}/`,
  }));

/** Deletes the first `#left` of the keys. */
class DiesWhileDeleting extends StoreLayer {
  wanted = 0;
  readonly #left: number;

  constructor(store: ObjectStore, left: number) {
    super(store);
    this.#left = left;
  }

  override delete(keys: readonly string[]): Promise<void> {
    this.wanted = keys.length;
    return this.inner.delete(keys.slice(0, this.#left));
  }
}

/** What readers must know, whatever is deleted. */
const known = (
  job: Awaited<ReturnType<typeof readJournal>>["jobs"] extends Map<number, infer J> ? J : never,
) => ({
  drawn: job.drawn,
  committedCount: job.committedCount,
  // Where the outcomes of tasks lie that weren't consumed.
  kept: job.committed
    .filter(({ first }) => first >= 30)
    .map(({ first, count, location }) => [first, count, location.log]),
});

for (const [kind, open] of [
  ["that grow", () => openMemoryStore()],
  ["of segments", () => withSegmentedLogs(openMemoryStore())],
] as const) {
  describe(`generations of a journal, with logs ${kind}`, () => {
    it("are read as one", async () => {
      const store = open();
      await journalOf(store, 4);
      const job = (await readJournal(store, ID)).jobs.get(0)!;
      expect(job).toMatchObject({ drawn: 40, committedCount: 38, consumed: 0 });
    });

    it("may go at any moment: after each deletion, readers know the same of what is left", async () => {
      const whole = open();
      await journalOf(whole, 4);
      const expected = known((await readJournal(whole, ID)).jobs.get(0)!);
      expect(expected.kept).toEqual([[30, 8, "g3/worker-a.log"]]);
      for (let deleted = 0; ; deleted++) {
        const store = open();
        const journal = await journalOf(store, 4);
        const early = new JournalReader(store, ID);
        await early.read();
        const failing = new DiesWhileDeleting(store, deleted);
        await dropGenerations(failing, ID, baseAt(3), generationsBefore(journal, 3));
        const what = `${deleted} of ${failing.wanted} deleted`;
        expect(known((await readJournal(store, ID)).jobs.get(0)!), what).toEqual(expected);
        // Whoever was reading already goes on.
        await journal.append([commit(38, 2, "g3/worker-a.log")]);
        expect((await early.read()).jobs.get(0)!.committedCount, what).toBe(40);
        if (deleted === failing.wanted) break;
      }
    });

    it("that are gone leave their claims, and a base; nothing else", async () => {
      const store = open();
      const journal = await journalOf(store, 4);
      await dropGenerations(store, ID, baseAt(3), generationsBefore(journal, 3));
      const left: string[] = [];
      for await (const { key } of store.list(journalPrefix(ID)))
        left.push(key.slice(journalPrefix(ID).length));
      expect(left.filter((name) => !name.startsWith("driver-3.log"))).toEqual([
        "base",
        "claim-1",
        "claim-2",
        "claim-3",
        "g3/worker-a.log",
      ]);
    });

    it("another driver takes over behind them, in a folder of its own", async () => {
      const store = open();
      const journal = await journalOf(store, 12);
      await dropGenerations(store, ID, baseAt(11), generationsBefore(journal, 11));
      const taken = await takeOver(store, ID, { kinglet: "0", node: "v24", driverId: "new" }, systemClock);
      expect(taken.journal.epoch).toBe(12);
      expect(taken.journal.dataPrefix).toBe(`${journal.prefix}g12/`);
      expect(taken.state.jobs.get(0)).toMatchObject({ consumed: 110, drawn: 120, committedCount: 118 });
      // The old one finds out before it shows anything.
      expect(await journal.confirm()).toBe(false);
      expect(await journal.roll(0)).toBe(false);
    });

    it("a driver that was taken over can't roll", async () => {
      const store = open();
      const journal = await journalOf(store, 2);
      await takeOver(store, ID, { kinglet: "0", node: "v24", driverId: "new" }, systemClock);
      expect(await journal.roll(0)).toBe(false);
    });
  });
}
