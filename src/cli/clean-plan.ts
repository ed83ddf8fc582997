import type { Clock } from "../clock.ts";
import { LANE_GRAPH, LANE_HEADER_BYTES } from "../codec/header.ts";
import type { JournalState } from "../job/fold.ts";
import {
  CANCELS,
  CODE,
  DRIVERS,
  FUNCTIONS,
  JOURNALS,
  journalPrefix,
  NAMED,
  NAMES,
  UPLOADS,
  VALUES,
} from "../job/keys.ts";
import { leaseIsAlive, readLease } from "../job/lease.ts";
import { livingLeader } from "../job/takeover.ts";
import type { ObjectInfo, ObjectStore } from "../storage/contract.ts";
import { readJournalIfAny } from "./journals.ts";
import { addReferences, noReferences, type References } from "./references.ts";

/** A journal that never got its first record is left alone for so long: its driver may just be starting. */
const STILLBORN_MS = 86_400_000;

export interface JournalFacts {
  readonly id: string;
  /** `ended`: all of its jobs, and its driver is gone. */
  readonly condition: "running" | "interrupted" | "ended";
  /** The last change of any of its objects, milliseconds since the epoch. */
  readonly modifiedMs: number;
  readonly sizeBytes: number;
  readonly keys: readonly string[];
}

export interface CleanPlan {
  readonly journals: readonly JournalFacts[];
  readonly functions: readonly string[];
  readonly values: readonly string[];
  /** Code packages and their archives. */
  readonly code: readonly string[];
  /** Local files that tasks elsewhere have read. */
  readonly uploads: readonly string[];
  /** Intermediate objects of `kinglet/dataflow`, which a driver that ended removes itself. */
  readonly intermediates: readonly string[];
  readonly leases: readonly string[];
  /** What asked dead drivers to cancel something. */
  readonly cancelFlags: readonly string[];
  /** Entries of `names/` that point to these journals. */
  readonly names: readonly string[];
  /** What was selected and stays, and why. */
  readonly kept: readonly { readonly id: string; readonly why: string }[];
  /** Ids of all journals. */
  readonly known: ReadonlySet<string>;
  readonly sizeBytes: number;
}

/**
 * What may go: selected journals that nobody works on and that no journal which stays refers to; functions, values
 * and names that no journal needs which stays; leases of dead drivers. While a driver lives, functions and values
 * stay: it may be about to refer to one.
 */
export async function planClean(
  store: ObjectStore,
  selected: (journal: JournalFacts) => boolean,
  clock: Clock,
): Promise<CleanPlan> {
  const journals = await allJournals(store, clock);
  const kept: { id: string; why: string }[] = [];
  const going = new Map<string, JournalFacts>();
  for (const journal of journals) {
    if (!selected(journal)) continue;
    if (journal.condition === "running") kept.push({ id: journal.id, why: "its driver is still working" });
    else going.set(journal.id, journal);
  }
  const staying = journals.filter(({ id }) => !going.has(id));
  const allFunctions = await byHash(store, FUNCTIONS);
  const allValues = await byHash(store, VALUES);
  const allCode = await byHash(store, CODE);
  const allUploads = await byHash(store, UPLOADS);
  const contents = [...allFunctions.values(), ...allValues.values(), ...allCode.values()];
  const references = await keepReferred(store, staying, going, kept, contents);
  const { dead, alive } = await leases(store, clock);
  const unreferred = (all: Map<string, ObjectInfo>) =>
    alive.size > 0 ? [] : [...all].flatMap(([hash, object]) => (references.hashes.has(hash) ? [] : [object]));
  const functions = unreferred(allFunctions);
  const values = unreferred(allValues);
  const code = unreferred(allCode);
  const uploads = unreferred(allUploads);
  const intermediates = alive.size > 0 ? [] : await intermediatesWithout(store, references.dataflows);
  const names = await keysOf(store, NAMES, (name) => going.has(name.slice(name.lastIndexOf("/") + 1)));
  const sizes = [...going.values(), ...functions, ...values, ...code, ...uploads, ...intermediates].map(
    ({ sizeBytes }) => sizeBytes,
  );
  return {
    journals: [...going.values()],
    functions: functions.map(({ key }) => key),
    values: values.map(({ key }) => key),
    code: code.map(({ key }) => key),
    uploads: uploads.map(({ key }) => key),
    intermediates: intermediates.map(({ key }) => key),
    leases: dead,
    cancelFlags: await keysOf(store, CANCELS, (driverId) => !alive.has(driverId)),
    names,
    kept,
    known: new Set(journals.map(({ id }) => id)),
    sizeBytes: sizes.reduce((sum, sizeBytes) => sum + sizeBytes, 0),
  };
}

async function allJournals(store: ObjectStore, clock: Clock): Promise<JournalFacts[]> {
  const objects = new Map<string, ObjectInfo[]>();
  for await (const object of store.list(JOURNALS)) {
    const id = object.key.slice(JOURNALS.length).split("/", 1)[0]!;
    const own = objects.get(id);
    if (own) own.push(object);
    else objects.set(id, [object]);
  }
  const found: JournalFacts[] = [];
  for (const [id, own] of objects) {
    const modifiedMs = Math.max(...own.map((object) => object.modifiedMs));
    const state = await readJournalIfAny(store, id);
    const condition = state
      ? await conditionOf(store, state, clock)
      : clock.nowMs() - modifiedMs < STILLBORN_MS
        ? "running"
        : "ended";
    const sizeBytes = own.reduce((sum, object) => sum + object.sizeBytes, 0);
    found.push({ id, condition, modifiedMs, sizeBytes, keys: own.map(({ key }) => key) });
  }
  return found;
}

async function conditionOf(
  store: ObjectStore,
  state: JournalState,
  clock: Clock,
): Promise<JournalFacts["condition"]> {
  // Also where its jobs have ended: the program may still read their outcomes.
  if (await livingLeader(store, state, clock)) return "running";
  return [...state.jobs.values()].every(({ ended }) => ended) ? "ended" : "interrupted";
}

/** Takes back from `going` what a staying journal refers to, however indirectly. @returns what must stay */
async function keepReferred(
  store: ObjectStore,
  staying: readonly JournalFacts[],
  going: Map<string, JournalFacts>,
  kept: { id: string; why: string }[],
  contents: readonly ObjectInfo[],
): Promise<References> {
  const keyOf = new Map(contents.map(({ key }) => [key.slice(key.indexOf("/") + 1), key]));
  const all = noReferences();
  const scannedHashes = new Set<string>();
  const waiting = [...staying];
  for (let journal = waiting.pop(); journal; journal = waiting.pop()) {
    const own = noReferences();
    for (const key of journal.keys) await addReferences(store, key, own);
    for (const hash of own.hashes) {
      all.hashes.add(hash);
      if (scannedHashes.has(hash)) continue;
      scannedHashes.add(hash);
      // A captured function may hold a broadcast's handle, or a job's id; so may a broadcast value.
      const key = keyOf.get(hash);
      if (key && (await mayHoldHandles(store, key))) await addReferences(store, key, own);
    }
    for (const hash of own.hashes) all.hashes.add(hash);
    for (const id of own.dataflows) all.dataflows.add(id);
    for (const id of own.journals) {
      const referred = going.get(id);
      if (!referred) continue;
      going.delete(id);
      kept.push({ id, why: `job ${journal.id} refers to it` });
      waiting.push(referred);
    }
  }
  return all;
}

/** Objects under a prefix, by the hash that follows it. */
async function byHash(store: ObjectStore, prefix: string): Promise<Map<string, ObjectInfo>> {
  const found = new Map<string, ObjectInfo>();
  for await (const object of store.list(prefix)) {
    found.set(object.key.slice(prefix.length).replace(/\.tgz$/, ""), object);
  }
  return found;
}

const INTERMEDIATE = /^dataflow\/([0-9a-f]{16})\//;

/** Those whose computation no journal speaks of that stays: nobody can go on with it. */
async function intermediatesWithout(store: ObjectStore, needed: ReadonlySet<string>): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const object of store.list(`${NAMED}dataflow/`)) {
    const id = INTERMEDIATE.exec(object.key.slice(NAMED.length))?.[1];
    if (id !== undefined && !needed.has(id)) found.push(object);
  }
  return found;
}

/** Big tables need not be read: handles are no plain data. */
async function mayHoldHandles(store: ObjectStore, key: string): Promise<boolean> {
  if (!key.startsWith(VALUES)) return true;
  const head = await store.get(key, { range: { offsetBytes: 0, lengthBytes: LANE_HEADER_BYTES } });
  return head[1] === LANE_GRAPH;
}

/** Keys of dead drivers' leases, and ids of the drivers that live. */
async function leases(store: ObjectStore, clock: Clock): Promise<{ dead: string[]; alive: Set<string> }> {
  const dead: string[] = [];
  const alive = new Set<string>();
  for await (const { key } of store.list(DRIVERS)) {
    const driverId = key.slice(DRIVERS.length);
    const lease = await readLease(store, driverId);
    if (lease && leaseIsAlive(lease, clock)) alive.add(driverId);
    else dead.push(key);
  }
  return { dead, alive };
}

async function keysOf(
  store: ObjectStore,
  prefix: string,
  wanted: (name: string) => boolean,
): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) if (wanted(key.slice(prefix.length))) keys.push(key);
  return keys;
}

/** What a put has left that began longer ago is nobody's. */
const LONGEST_PUT_MS = 24 * 3_600_000;

/** Deletes it. @returns what was deleted, and what wasn't after all */
export async function deletePlanned(store: ObjectStore, plan: CleanPlan, clock: Clock): Promise<CleanPlan> {
  const kept = [...plan.kept];
  const deleted: JournalFacts[] = [];
  await store.delete(plan.names);
  for (const journal of plan.journals) {
    const state = await readJournalIfAny(store, journal.id);
    if (state && (await livingLeader(store, state, clock))) {
      kept.push({ id: journal.id, why: "a driver has just taken it up" });
      continue;
    }
    // Its objects may have grown in number; the logs go last, so that what is left of a cut-off deletion still shows.
    const isLog = (name: string) => name.startsWith("driver-");
    const prefix = journalPrefix(journal.id);
    await store.delete(await keysOf(store, prefix, (name) => !isLog(name)));
    await store.delete(await keysOf(store, prefix, isLog));
    deleted.push(journal);
  }
  const functions = await deleteUnlessNeeded(store, plan.functions, clock);
  const values = await deleteUnlessNeeded(store, plan.values, clock);
  const code = await deleteUnlessNeeded(store, plan.code, clock);
  const uploads = await deleteUnlessNeeded(store, plan.uploads, clock);
  const intermediates = (await leases(store, clock)).alive.size > 0 ? [] : plan.intermediates;
  await store.delete([...intermediates, ...plan.leases, ...plan.cancelFlags]);
  await store.sweep?.(clock.nowMs() - LONGEST_PUT_MS);
  return { ...plan, journals: deleted, functions, values, code, uploads, intermediates, kept };
}

const PUT_BACK_BYTES = 64 * 1024 * 1024;

/**
 * A driver that starts just now may have found an object there and be about to refer to it. It writes its lease
 * before it looks; so if a lease appears while an object is being deleted, the object is put back.
 */
async function deleteUnlessNeeded(
  store: ObjectStore,
  keys: readonly string[],
  clock: Clock,
): Promise<string[]> {
  const deleted: string[] = [];
  for (const key of keys) {
    const sizeBytes = (await store.head(key))?.sizeBytes ?? 0;
    // Too big to be put back: a driver that begins right now to use it fails, and stores it anew when it runs again.
    const body = sizeBytes <= PUT_BACK_BYTES ? await store.get(key) : undefined;
    if (!body && (await leases(store, clock)).alive.size > 0) return deleted;
    await store.delete([key]);
    if ((await leases(store, clock)).alive.size > 0) {
      if (body) await store.put(key, body, { ifAbsent: true });
      return deleted;
    }
    deleted.push(key);
  }
  return deleted;
}
