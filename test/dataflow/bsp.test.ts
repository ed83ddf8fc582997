import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { deletePlanned, type JournalFacts, planClean } from "../../src/cli/clean-plan.ts";
import { systemClock } from "../../src/clock.ts";
import { bsp, Dataset, type SuperstepReport } from "../../src/dataflow/index.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { rejection } from "../support/pools.ts";
import { startNode } from "../support/processes.ts";
import { collect, sharedPool } from "./shared-pool.ts";

const { pool, folder, storage, close } = sharedPool();
afterAll(close);

const friends = { ann: ["bob"], bob: ["ann", "cid"], cid: ["bob"], dan: ["eve"], eve: ["dan"], fay: [] };
const people = Object.entries(friends).map(([name, knows]) => ({ name, knows }));
const components = [["ann", "ann"], ["bob", "ann"], ["cid", "ann"], ["dan", "dan"], ["eve", "dan"], ["fay", "fay"]]; // biome-ignore format: a table
const byName = <T>(pairs: readonly (readonly [string, T])[]) =>
  [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));

/** Each person learns the first name, by alphabet, among those reachable. */
const leastName = {
  vertices: ({ name, knows }: (typeof people)[number]) => [[name, name, knows]] as const,
  compute(person: LeastNameVertex, names: readonly string[]) {
    const least = [person.state, ...names].sort()[0]!;
    if (person.superstep === 0 || least < person.state) for (const to of person.edges) person.send(to, least);
    person.state = least;
    person.halt();
  },
};
interface LeastNameVertex {
  state: string;
  readonly edges: readonly string[];
  readonly superstep: number;
  send(to: string, name: string): void;
  halt(): void;
}

/** As many vertices as partitions, one in each, so that a call of `compute` is a task: each adds a line to a file. */
const calls = path.join(folder, "calls");
const callsOf = () => {
  const lines = readFileSync(calls, "utf8").split("\n").filter((line) => line !== ""); // biome-ignore format: one line
  return lines.sort();
};
const each = (supersteps: number, partitions = 4) =>
  [...Array(supersteps).keys()].flatMap((s) => [...Array(partitions).keys()].map((p) => `${s}:${p}`)).sort();

describe("bsp", () => {
  it("runs until nobody is awake, and leaves nothing behind", async () => {
    const found = await bsp(pool, people, {
      ...leastName,
      combine: (a, b) => [a, b].sort()[0]!,
      partitions: 3,
    });
    expect(byName(found.vertices)).toEqual(components);
    expect(found).toMatchObject({ supersteps: 4, ended: "halted", aggregates: {} });
    expect(await collect(pool.store.list("dataflow/"))).toEqual([]);
  });

  it("takes vertices from a job, and makes objects or a dataset of them", async () => {
    const job = pool.map((person) => person, people);
    const texts = await bsp(pool, job, { ...leastName, partitions: 2, output: { objects: "out/least" } });
    const lines = await Promise.all(texts.vertices.map((object) => object.text()));
    const pairs = lines.flatMap((text) => text.split("\n").filter((line) => line !== ""));
    expect(byName(pairs.map((line) => JSON.parse(line)))).toEqual(components);
    const { vertices } = await bsp(pool, people, { ...leastName, output: { dataset: "least" } });
    expect(vertices).toBeInstanceOf(Dataset);
    expect(byName(await vertices.toArray())).toEqual(components);
    await vertices.delete();
    await pool.store.delete(...texts.vertices.map(({ key }) => key));
  });

  it("adds up what vertices give to aggregators, which the next superstep reads, and ends when it is said so", async () => {
    const sums: number[] = [];
    const found = await bsp(pool, [1, 2, 3, 4], {
      vertices: (n) => [[n, n]],
      compute(vertex) {
        if (vertex.superstep > 0) vertex.state = vertex.aggregates.sum;
        vertex.aggregate("sum", vertex.state);
        vertex.aggregate("names", [vertex.id]);
      },
      aggregators: {
        sum: { initial: 0, reduce: (a, b) => a + b },
        names: { initial: [] as number[], reduce: (a, b) => [...a, ...b].sort() },
      },
      until: ({ sum }) => sum > 100,
      onSuperstep: ({ aggregates }) => sums.push(aggregates.sum),
      partitions: 2,
    });
    expect(sums).toEqual([10, 40, 160]);
    expect(found).toMatchObject({
      supersteps: 3,
      ended: "until",
      aggregates: { sum: 160, names: [1, 2, 3, 4] },
    });
  });

  it("makes one vertex of two with mergeEdges, and says it is wrong to give one twice without", async () => {
    const edges = [["a", "b"], ["a", "c"], ["b", "c"], ["c", "a"]] as const; // biome-ignore format: a graph
    const options = {
      vertices: ([from, to]: (typeof edges)[number]) => [[from, 0, [to]] as [string, number, string[]]],
      compute(vertex: { state: number; edges: string[] }) {
        vertex.state = vertex.edges.length;
      },
      maxSupersteps: 1,
    };
    const found = await bsp(pool, edges, { ...options, mergeEdges: (a, b) => [...a, ...b] });
    expect(byName(found.vertices)).toEqual([["a", 2], ["b", 1], ["c", 1]]); // biome-ignore format: a table
    const wrong = await rejection(bsp(pool, edges, options));
    expect(wrong).toMatchObject({ code: "BAD_ARGUMENT" });
    expect(wrong.message).toContain('vertex "a" was given twice');
  });

  it("asks for an object of each partition in a superstep, and for a range of each that has messages", async () => {
    const reports: SuperstepReport[] = [];
    const partitions = 5;
    const all = [...Array(partitions).keys()];
    await bsp(pool, all, {
      vertices: (id) => [[id, 0, all]],
      compute(vertex, messages: readonly number[]) {
        vertex.state += messages.length;
        for (const to of vertex.edges) vertex.send(to, vertex.id);
      },
      partitions,
      partition: (id) => id,
      maxSupersteps: 3,
      onSuperstep: (report) => reports.push(report),
    });
    // Edges and states of each, and from superstep 1 on the messages of each to each.
    const gets = [2 * partitions, 2 * partitions + partitions ** 2, 2 * partitions + partitions ** 2];
    expect(reports.map(({ puts }) => puts)).toEqual([partitions, partitions, partitions]);
    expect(reports.map((report) => report.gets)).toEqual(gets);
  });

  it("runs only the partitions that have something to do, and keeps objects of two supersteps", async () => {
    const tasks: number[] = [];
    const kept: number[] = [];
    const found = await bsp(pool, [0, 1, 2, 3], {
      vertices: (id) => [[id, -1]],
      compute(vertex, messages: readonly number[]) {
        if (messages.length > 0 || (vertex.superstep === 0 && vertex.id === 0)) {
          vertex.state = vertex.superstep;
          vertex.send((vertex.id + 1) % 4, 1);
        }
        vertex.halt();
      },
      partitions: 4,
      partition: (id) => id,
      maxSupersteps: 8,
      onSuperstep(report) {
        tasks.push(report.tasks);
        kept.push(readdirSync(path.join(storage, "named/dataflow"), { recursive: true }).filter((name) => /step-\d+\/.*-/.test(String(name))).length);
      }, // biome-ignore format: short
    });
    expect(tasks).toEqual([4, 1, 1, 1, 1, 1, 1, 1]);
    expect(found.vertices.map(([, last]) => last)).toEqual([4, 5, 6, 7]);
    // Of superstep 0, those that nobody has overwritten; and the last ones.
    expect(Math.max(...kept)).toBeLessThanOrEqual(4 + 3);
  });

  it("gives the same when workers die in any superstep: only what they did is done again", async () => {
    for (const dying of [0, 1, 2]) {
      writeFileSync(calls, "");
      const found = await bsp(pool, [0, 1, 2, 3], {
        vertices: (id) => [[id, id]],
        compute(vertex, messages: readonly number[], ctx) {
          appendFileSync(calls, `${vertex.superstep}:${vertex.id}\n`);
          if (vertex.superstep === dying && vertex.id === 2 && ctx.attempt === 1) process.exit(7);
          vertex.state += messages.reduce((sum, n) => sum + n, 0);
          vertex.send((vertex.id + 1) % 4, vertex.state);
        },
        partitions: 4,
        partition: (id) => id,
        maxSupersteps: 3,
      });
      expect(found.vertices).toEqual([[0, 8], [1, 4], [2, 4], [3, 8]].map(([id]) => [id, ringAfter(3)[id!]])); // biome-ignore format: short
      const expected = [...each(3), `${dying}:2`].sort();
      // A process that exits takes tasks of its batch with it that have run already.
      expect(callsOf().filter((call) => call === `${dying}:2`)).toHaveLength(2);
      expect(new Set(callsOf())).toEqual(new Set(expected));
    }
  });

  it("makes one object again that was lost after a superstep, and runs nothing else again", async () => {
    writeFileSync(calls, "");
    const remade: number[] = [];
    const found = await bsp(pool, [0, 1, 2, 3], {
      vertices: (id) => [[id, id]],
      compute(vertex, messages: readonly number[]) {
        appendFileSync(calls, `${vertex.superstep}:${vertex.id}\n`);
        vertex.state += messages.reduce((sum, n) => sum + n, 0);
        vertex.send((vertex.id + 1) % 4, vertex.state);
      },
      partitions: 4,
      partition: (id) => id,
      maxSupersteps: 4,
      onSuperstep(report) {
        remade.push(report.remade);
        const root = path.join(storage, "named/dataflow");
        const names = readdirSync(root, { recursive: true }).map(String);
        const of = (step: string) => names.find((name) => name.includes(`${step}/1-`));
        if (report.superstep === 1) rmSync(path.join(root, of("step-1")!));
      },
    });
    expect(found.vertices.map(([, state]) => state)).toEqual(ringAfter(4));
    expect(callsOf()).toEqual([...each(4), "1:1"].sort());
    expect(remade).toEqual([0, 0, 1, 0]);
  });

  it.each(["after", "within"])(
    "goes on where a driver stopped that was killed %s a superstep",
    async (mode) => {
      for (const at of [0, 3]) {
        writeFileSync(calls, "");
        const store = path.join(folder, `${mode}-${at}`);
        const script = path.join(import.meta.dirname, "scripts/ring.ts");
        const drive = (how: string, most = 6) =>
          startNode([script, store, calls, how, String(at), String(most)]).finished;
        expect((await drive(mode)).signal).toBe("SIGKILL");
        expect(callsOf().length).toBeLessThan(24);
        const found = await drive("through");
        expect(found.stderr).toBe("");
        const result = {
          vertices: ringAfter(6).map((n, id) => [id, n]),
          supersteps: 6,
          ended: "maxSupersteps",
        };
        expect(JSON.parse(found.stdout)).toEqual(result);
        expect(callsOf()).toEqual(each(6));
        // Once more: there is nothing left to do. With more supersteps: only these.
        expect(JSON.parse((await drive("through")).stdout)).toEqual(result);
        expect(JSON.parse((await drive("through", 7)).stdout)).toMatchObject({ supersteps: 7 });
        expect(callsOf()).toEqual(each(7));
        // What it needs to go on stays as long as its jobs do.
        const disk = openDiskStore(store);
        expect((await clean(disk, () => false)).intermediates).toEqual([]);
        expect((await collect(disk.list("named/dataflow/"))).length).toBeLessThanOrEqual(9);
        expect((await clean(disk, () => true)).intermediates.length).toBeGreaterThan(4);
        expect(await collect(disk.list("named/"))).toEqual([]);
        await disk.close();
      }
    },
  );

  it("says at once what is wrong with its options, and while running what is wrong with vertices and messages", async () => {
    const options = { vertices: (n: number) => [[n, n]] as const, compute() {} };
    const wrong = (changed: object, items: object = [1]) =>
      rejection(bsp(pool, items as number[], { ...options, ...changed } as never));
    expect((await wrong({ compute: undefined })).message).toContain("compute is missing");
    expect(await wrong({ partitions: 0 })).toMatchObject({ code: "BAD_OPTION" });
    expect(await wrong({ combiner: Math.max })).toMatchObject({ code: "UNKNOWN_OPTION" });
    expect(await wrong({ aggregators: { sum: (a: number) => a } })).toMatchObject({ code: "BAD_OPTION" });
    expect((await wrong({ vertices: () => [1] })).message).toContain("expected [id, state, edges]");
    expect((await wrong({ vertices: () => undefined })).message).toContain("vertices gave undefined");
    expect((await wrong({ partition: () => 8 })).message).toContain("partition 8");
    const compute = (vertex: { send(to: string, m: number): void }) => vertex.send("nobody", 1);
    expect((await wrong({ compute })).message).toContain('vertex "nobody", which isn\'t there');
    const aggregating = (vertex: { aggregate(name: string, n: number): void }) => vertex.aggregate("sum", 1);
    expect((await wrong({ compute: aggregating })).message).toContain('no aggregator "sum"');
    class Mine extends Error {}
    const failing = await wrong({
      compute: () => {
        throw new Mine("no");
      },
    });
    expect(failing).toBeInstanceOf(Mine);
    expect(await collect(pool.store.list("dataflow/"))).toEqual([]);
  });
});

const clean = async (store: ObjectStore, selected: (journal: JournalFacts) => boolean) =>
  deletePlanned(store, await planClean(store, selected, systemClock), systemClock);

/** States of the ring after some supersteps. */
function ringAfter(supersteps: number): number[] {
  let states = [0, 1, 2, 3];
  let messages = [0, 0, 0, 0];
  for (let s = 0; s < supersteps; s++) {
    const next = states.map((n, i) => n + messages[i]!);
    messages = next.map((_, i) => next[(i + 3) % 4]!);
    states = next;
  }
  return states;
}
