import { randomBytes } from "node:crypto";
import type { Pool } from "../index.ts";
import type { BspResult } from "./bsp.ts";
import { Checkpoints, type Snapshot } from "./bsp-checkpoints.ts";
import type { CheckedBsp } from "./bsp-options.ts";
import type { BspSpec, Part } from "./bsp-spec.ts";
import { drawRunId, writeVertices } from "./bsp-tasks.ts";
import { Dataset } from "./dataset.ts";
import { outputOf } from "./map-reduce.ts";
import { clean, lostForGood } from "./stage.ts";
import { LostForGood, Supersteps } from "./supersteps.ts";
import { aggregated } from "./vertex.ts";

/** What a superstep did. */
export interface SuperstepReport<A = Record<string, unknown>> {
  readonly superstep: number;
  /** Tasks that ran: one for each partition with a vertex that is awake or has messages. */
  readonly tasks: number;
  /** Of all partitions, after it. */
  readonly vertices: number;
  /** Vertices that haven't voted to halt. */
  readonly active: number;
  /** Sent, after combining. */
  readonly messages: number;
  /** Objects that were written, one a task, and range reads; those of lost and repeated tasks left out. */
  readonly puts: number;
  readonly gets: number;
  readonly storedBytes: number;
  /** Objects that were missing or damaged, and were made again. */
  readonly remade: number;
  readonly aggregates: A;
}

interface Snapshots {
  readonly now: Snapshot;
  /** The one before: what is lost of `now` is made again from it. */
  readonly before: Snapshot | undefined;
}

type Ended = BspResult<unknown, unknown>["ended"];

/** How often all is begun again that can't be made again otherwise. */
const MAX_RESTARTS = 3;

/** Runs a computation, which knows where states and messages are, and never sees one. */
export async function runBsp(
  pool: Pool,
  inputs: unknown,
  options: CheckedBsp,
): Promise<BspResult<unknown, unknown>> {
  const { name, stage, itemsPerTask } = options;
  const prefix = `dataflow/${await runIdOf(pool, options)}`;
  const spec: BspSpec = { ...options.spec, prefix };
  const checkpoints = new Checkpoints(pool, prefix, name !== undefined);
  const supersteps = new Supersteps(pool, spec, { name, stage });
  let isDone = false;
  try {
    const loaded = await supersteps.load(inputs, itemsPerTask);
    const result = await goOn(pool, options, loaded, supersteps, checkpoints);
    await checkpoints.settle();
    isDone = true;
    return result;
  } finally {
    await checkpoints.settle().catch(() => {}); // told before, or it fails for the same reason
    if (name === undefined) await clean(pool, prefix);
    else if (isDone) await checkpoints.dropAllButLast();
  }
}

/** From where an earlier driver stopped, or from the start; from the start again where objects are lost for good. */
async function goOn(
  pool: Pool,
  options: CheckedBsp,
  loaded: readonly string[],
  supersteps: Supersteps,
  checkpoints: Checkpoints,
): Promise<BspResult<unknown, unknown>> {
  const kept = await checkpoints.last(loaded);
  let from: Snapshots = kept ?? { now: await supersteps.begin(loaded), before: undefined };
  if (!kept) checkpoints.add(from.now);
  for (let restarts = 0; ; restarts++) {
    try {
      const { ended, ...last } = await lastSnapshots(from, options, supersteps, checkpoints);
      const vertices = await resultsOf(pool, last, options, supersteps);
      const { aggregates, superstep } = last.now;
      return { vertices, aggregates, supersteps: superstep, ended };
    } catch (error) {
      if (!(error instanceof LostForGood)) throw error;
      if (restarts === MAX_RESTARTS) throw lostForGood(error.names);
      await checkpoints.settle();
      from = { now: await supersteps.beginAgain(loaded), before: undefined };
      checkpoints.add(from.now);
    }
  }
}

/** With a name, the outcome of a task that has the same functions and captured values: another one for others. */
async function runIdOf(pool: Pool, { name, spec, stage }: CheckedBsp): Promise<string> {
  if (name === undefined) return randomBytes(8).toString("hex");
  return pool.run((_: undefined) => drawRunId(spec), undefined, { ...stage, name });
}

async function lastSnapshots(
  from: Snapshots,
  { until, maxSupersteps, onSuperstep, spec }: CheckedBsp,
  supersteps: Supersteps,
  checkpoints: Checkpoints,
): Promise<Snapshots & { ended: Ended }> {
  let { now, before } = from;
  for (;;) {
    const awake = awakePartitions(now);
    const done = now.superstep - 1;
    if (awake.length === 0) return { now, before, ended: "halted" };
    if (done >= 0 && until?.(now.aggregates as never, done)) return { now, before, ended: "until" };
    if (now.superstep >= maxSupersteps) return { now, before, ended: "maxSupersteps" };
    const remadeBefore = supersteps.remade;
    const sent = await supersteps.run(now, before, awake);
    const next = after(
      now,
      sent,
      aggregated(
        spec.aggregators,
        sent.map(({ partials }) => partials),
      ),
    );
    await checkpoints.settle();
    checkpoints.add(next);
    onSuperstep?.(reportOf(next, supersteps.remade - remadeBefore) as never);
    [before, now] = [now, next];
  }
}

/** Partitions that have something to do in the next superstep. */
function awakePartitions({ latest, sent }: Snapshot): number[] {
  const hasMessages = (p: number) => sent.some(({ offsets }) => offsets[p + 1]! > offsets[p]!);
  return [...latest.keys()].filter((p) => latest[p]!.active > 0 || hasMessages(p));
}

function after(now: Snapshot, sent: Part[], aggregates: Record<string, unknown>): Snapshot {
  const latest = [...now.latest];
  for (const part of sent) latest[part.partition] = part;
  return { ...now, superstep: now.superstep + 1, latest, sent, aggregates };
}

function reportOf({ superstep, latest, sent, aggregates }: Snapshot, remade: number): SuperstepReport {
  const sum = (parts: readonly Part[], of: (part: Part) => number) =>
    parts.reduce((total, part) => total + of(part), 0);
  return {
    superstep: superstep - 1,
    tasks: sent.length,
    vertices: sum(latest, (part) => part.vertices),
    active: sum(latest, (part) => part.active),
    messages: sum(sent, (part) => part.messages),
    puts: sent.length,
    gets: sum(sent, (part) => part.gets),
    storedBytes: sum(sent, (part) => part.sizeBytes),
    remade,
    aggregates,
  };
}

async function resultsOf(
  pool: Pool,
  { now, before }: Snapshots,
  { output, spec, stage }: CheckedBsp,
  supersteps: Supersteps,
): Promise<unknown> {
  const outputs = outputOf(output);
  const { compression } = spec;
  const written = await supersteps.over(now, before, [...now.latest.keys()], (inputs) =>
    pool.map((input, ctx) => writeVertices(compression, outputs, input, ctx), inputs, stage),
  );
  if (outputs.kind === "objects") return written.map(({ object }) => object);
  if (outputs.kind === "array") return written.flatMap(({ values }) => values as unknown[]);
  return new Dataset(
    pool,
    written.map(({ part }) => part!),
  );
}
