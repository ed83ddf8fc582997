import { describe, expect, it } from "vitest";
import { ENTRY_FAILED, ENTRY_VALUE, Run, RunBuilder } from "../../src/job/entries.ts";
import type { FrameLocation, Journal } from "../../src/job/journal.ts";
import { readJournal } from "../../src/job/journal-reader.ts";
import type { JobInput } from "../../src/scheduler/driver.ts";
import { InputBuffer } from "../../src/scheduler/input-buffer.ts";
import { inputRun, listInput, SchedulerBench } from "./scheduler-bench.ts";

describe("inputs", () => {
  it("are recorded before their tasks start", async () => {
    const bench = new SchedulerBench();
    const job = await bench.submit({ tasks: 500 });
    const recorded = await readJournal(bench.store, "journal");
    expect(recorded.jobs.get(0)!.drawn).toBeGreaterThan(0);
    expect(bench.attempts).toEqual([]); // no slot yet
    await bench.run(job);
    const folded = (await readJournal(bench.store, "journal")).jobs.get(0)!;
    expect(folded).toMatchObject({
      drawn: 500,
      total: 500,
      committedCount: 500,
      failedCount: 0,
      ended: { state: "done" },
    });
  });

  it("of an empty job end it at once", async () => {
    const bench = new SchedulerBench();
    const job = await bench.submit({ tasks: 0 });
    expect(job.end).toEqual({ state: "done" });
    expect(job.running.counts).toMatchObject({ drawn: 0, total: 0, committed: 0 });
  });

  it("of known length are drawn to the end, whatever is done by then", async () => {
    const bench = new SchedulerBench({ slots: 1 });
    const job = await bench.submit({ tasks: 20_000, taskMs: 1000 });
    await bench.pass(100);
    expect(job.running.counts.drawn).toBe(20_000);
    job.running.cancel("enough");
  });

  it("of an endless input are drawn within a window, and kept in constant memory", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    let drawn = 0;
    const endless: JobInput = {
      draw: (maxTasks) => {
        const first = drawn;
        drawn += maxTasks;
        return { run: inputRun(0, first, maxTasks), count: maxTasks, done: false };
      },
    };
    const job = await bench.submit({ input: endless, taskMs: 5 });
    let most = 0;
    for (let i = 0; i < 20; i++) {
      await bench.pass(1000);
      most = Math.max(most, drawn - job.running.counts.committed);
    }
    expect(job.running.counts.committed).toBeGreaterThan(5000);
    expect(most).toBeLessThanOrEqual(1000);
    job.running.cancel("enough");
  });

  it("of an endless input with big items are limited by their bytes", async () => {
    const bench = new SchedulerBench({ slots: 2, policy: { aheadBytes: 100_000 } });
    let drawn = 0;
    const endless: JobInput = {
      draw: (maxTasks, maxBytes) => {
        const first = drawn;
        const count = Math.max(1, Math.min(maxTasks, Math.floor(maxBytes / 1000), 50));
        drawn += count;
        const run = new RunBuilder({ jobNumber: 0, attempt: 0, first });
        const pad = Buffer.alloc(1000, 32);
        for (let i = first; i < drawn; i++) run.add(ENTRY_VALUE, [Buffer.from(`input ${i}`), pad]);
        return { run: Buffer.concat(run.finish()), count, done: false };
      },
    };
    const job = await bench.submit({ input: endless, options: {}, fates: {} }).catch((error) => error);
    expect(job.running.counts.drawn).toBeLessThanOrEqual(150);
    job.running.cancel("enough");
  });

  it("that aren't there yet are asked for again when they say so", async () => {
    const bench = new SchedulerBench();
    let ready = false;
    let draws = 0;
    const inner = listInput(0, 3);
    const job = await bench.submit({
      input: {
        draw: (maxTasks, maxBytes) => {
          draws += 1;
          return ready ? inner.draw(maxTasks, maxBytes) : { count: 0, done: false };
        },
      },
    });
    await bench.pass(1000);
    expect({ draws, outcomes: job.outcomes }).toEqual({ draws: 1, outcomes: [] });
    ready = true;
    job.running.inputReady();
    await bench.run(job);
    expect(job.outcomes).toHaveLength(3);
  });

  it("that come while they are being asked for aren't missed", async () => {
    const bench = new SchedulerBench();
    let asked = 0;
    const inner = listInput(0, 3);
    const job = await bench.submit({
      input: {
        draw: (maxTasks, maxBytes) => {
          if (asked++ > 0) return inner.draw(maxTasks, maxBytes);
          // Nothing yet; and before the answer has arrived, there is something.
          bench.process.after(5, () => job.running.inputReady());
          return new Promise((resolve) => bench.process.after(10, () => resolve({ count: 0, done: false })));
        },
      },
    });
    await bench.run(job);
    expect(job.outcomes).toHaveLength(3);
  });

  it("that failed upstream fail their tasks, which don't run", async () => {
    const bench = new SchedulerBench();
    const failure = { kind: "upstream-failed", message: "its input, future X, failed", attempts: 0 };
    const run = new RunBuilder({ jobNumber: 0, attempt: 0, first: 0 });
    run.add(ENTRY_VALUE, [Buffer.from("input 0")]);
    run.add(ENTRY_FAILED, [Buffer.from(JSON.stringify(failure))]);
    run.add(ENTRY_VALUE, [Buffer.from("input 2")]);
    const bytes = Buffer.concat(run.finish());
    const job = await bench.submit({ input: { draw: () => ({ run: bytes, count: 3, done: true }) } });
    await bench.run(job);
    expect(job.outcomes).toEqual(["value", "upstream-failed", "value"]);
    expect(job.failures[1]).toEqual(failure);
    expect(job.starts).toEqual([1, undefined, 1]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("bad item");
      },
    ],
    ["rejects", () => Promise.reject(new Error("bad item"))],
  ] as const)("whose drawing %s fail the job with that error", async (_how, fail) => {
    const bench = new SchedulerBench({ slots: 1 });
    const inner = listInput(0, 100);
    let draws = 0;
    let closed = 0;
    const job = await bench.submit({
      taskMs: 100,
      input: {
        draw: (_maxTasks, maxBytes) => (draws++ === 0 ? inner.draw(2, maxBytes) : fail()),
        close: () => {
          closed += 1;
        },
      },
    });
    await bench.run(job);
    expect(job.end).toMatchObject({ state: "failed", error: new Error("bad item") });
    expect(closed).toBe(1);
    const folded = (await readJournal(bench.store, "journal")).jobs.get(0)!;
    expect(folded.ended).toEqual({ state: "failed", reason: "bad item" });
  });

  it("with wrong indexes are an error, not a wrong result", async () => {
    const bench = new SchedulerBench();
    const job = await bench.submit({
      input: { draw: () => ({ run: inputRun(0, 5, 2), count: 2, done: true }) },
    });
    await bench.run(job);
    expect(job.end!.state).toBe("failed");
    expect(String(job.end!.error)).toMatch(/inputs 5–6 were drawn where 2 from 0 on were expected/);
    expect(bench.attempts).toEqual([]);
  });
});

describe("inputs beyond what is kept in memory", () => {
  const CHUNK_TASKS = 64;
  const PAD_BYTES = 32 * 1024;

  async function filled(chunks: number) {
    let reads = 0;
    const journal = await new SchedulerBench().journal();
    const counting: Journal = Object.assign(Object.create(journal) as Journal, {
      read: (location: FrameLocation) => {
        reads += 1;
        return journal.read(location);
      },
    });
    const buffer = new InputBuffer(counting);
    for (let i = 0; i < chunks; i++) {
      const run = inputRun(0, i * CHUNK_TASKS, CHUNK_TASKS, PAD_BYTES);
      const [location] = await journal.append([{ type: "inputs", run }]);
      buffer.add(new Run(run), location!, CHUNK_TASKS);
    }
    return { buffer, reads: () => reads };
  }

  const indexesIn = (bytes: Uint8Array) => {
    const run = new Run(bytes);
    return Array.from({ length: run.count }, (_, i) => {
      const text = Buffer.from(run.entry(run.first + i).body).toString();
      return text.slice(0, text.indexOf("\0"));
    });
  };

  it("are read again from the journal, once a chunk", async () => {
    const { buffer, reads } = await filled(40); // 80 MiB
    expect(buffer.keptBytes).toBeLessThanOrEqual(64 * 1024 * 1024);
    expect(buffer.slice(0, 3)).toBeInstanceOf(Uint8Array);
    const first = 39 * CHUNK_TASKS;
    expect(indexesIn(await buffer.slice(first + 1, 2))).toEqual([`input ${first + 1}`, `input ${first + 2}`]);
    expect(buffer.slice(first, CHUNK_TASKS)).toBeInstanceOf(Uint8Array);
    expect(reads()).toBe(1);
  });

  it("make room when they are settled, in any order", async () => {
    const { buffer } = await filled(40);
    const before = buffer.keptBytes;
    buffer.settle(CHUNK_TASKS, CHUNK_TASKS);
    buffer.settle(0, CHUNK_TASKS - 1);
    expect(before - buffer.keptBytes).toBeGreaterThan(CHUNK_TASKS * PAD_BYTES);
    expect(indexesIn(buffer.slice(CHUNK_TASKS - 1, 1) as Uint8Array)).toEqual([`input ${CHUNK_TASKS - 1}`]);
    for (let i = 0; i < 40; i++)
      buffer.settle(
        i * CHUNK_TASKS + (i === 0 ? CHUNK_TASKS - 1 : 0),
        i === 0 ? 1 : i === 1 ? 0 : CHUNK_TASKS,
      );
    expect(buffer.keptBytes).toBe(0);
  });

  it("are joined where a batch spans chunks", async () => {
    const { buffer } = await filled(40);
    const across = indexesIn(buffer.slice(CHUNK_TASKS - 2, 4) as Uint8Array);
    expect(across).toEqual([62, 63, 64, 65].map((i) => `input ${i}`));
    const far = 38 * CHUNK_TASKS;
    expect(indexesIn(await buffer.slice(far - 1, 2))).toEqual([`input ${far - 1}`, `input ${far}`]);
  });

  it.each([
    ["come from the journal when their turn is there", undefined],
    ["that can't be read again fail the job with that error", new Error("the disk is gone")],
  ])("%s", async (_what, error) => {
    const bench = new SchedulerBench();
    const journal = await bench.journal();
    const broken: Journal = Object.assign(Object.create(journal) as Journal, {
      append: journal.append.bind(journal),
      confirm: journal.confirm.bind(journal),
      read: (location: FrameLocation) => (error ? Promise.reject(error) : journal.read(location)),
    });
    let next = 0;
    const job = await bench.submit({
      journal: broken,
      options: { batch: CHUNK_TASKS },
      input: {
        knownLength: 40 * CHUNK_TASKS,
        draw: () => {
          const first = next;
          next += CHUNK_TASKS;
          const run = inputRun(0, first, CHUNK_TASKS, PAD_BYTES);
          return { run, count: CHUNK_TASKS, done: next === 40 * CHUNK_TASKS };
        },
      },
    });
    // All are drawn, and more than is kept, before the first worker is there.
    await bench.pass(0);
    await bench.run(job);
    if (error) expect(job.end).toEqual({ state: "failed", error });
    else expect(job.outcomes).toEqual(Array(40 * CHUNK_TASKS).fill("value"));
  });
});
