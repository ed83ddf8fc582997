import type { CapturedFunction } from "../capture/contract.ts";
import { KingletError } from "../errors.ts";
import { ENTRY_VALUE, type OutcomeRef, Run } from "../job/entries.ts";
import { decodeNestedCall, encodeNestedAnswer, type NestedAnswer } from "../job/nested.ts";
import type { CallOptions } from "../options.ts";
import type { DrawnInputs, JobInput, NestedRequest } from "../scheduler/contract.ts";
import { newId } from "./ids.ts";
import { PackagedInput } from "./job-code.ts";
import type { JobCore } from "./job-handle.ts";
import type { Session } from "./session.ts";
import { startJob } from "./start.ts";
import { refOf } from "./upstream.ts";

/** Maps inside maps inside maps…: a recursion without an end is an error, not a full disk. */
export const MAX_DEPTH = 8;

/** A running task asked for a map: runs it as a job of its own, whose waiting parent lends its slot. */
export function answerNested(
  session: Session,
  request: NestedRequest,
  parent: JobCore,
  parentDepth: number,
): void {
  runNested(session, request, parent, parentDepth + 1).then(
    (answer) => request.reply(encodeNestedAnswer(answer)),
    (error) => request.reply(encodeNestedAnswer(errorAnswer(error))),
  );
}

function errorAnswer(error: unknown): NestedAnswer {
  const { code = "INTERNAL", message = String(error), remedy } = error as Partial<KingletError>;
  const text = remedy ? message.replace(`\n    ${remedy}`, "") : message;
  return { ok: false, code, message: text, ...(remedy ? { remedy } : {}) };
}

async function runNested(
  session: Session,
  request: NestedRequest,
  parent: JobCore,
  depth: number,
): Promise<NestedAnswer> {
  if (depth > MAX_DEPTH) {
    throw new KingletError(
      "TOO_DEEP",
      `a task of job ${parent.id} asked for a map that is nested ${depth} deep`,
      {
        remedy: `At most ${MAX_DEPTH} are allowed. Is it a recursion without an end?`,
      },
    );
  }
  const { call, fn, inputs } = decodeNestedCall(request.payload);
  const captured: CapturedFunction = {
    hash: call.functionHash,
    identity: () => call.functionHash,
    bytes: fn,
    name: call.functionName,
    location: call.functionLocation,
    warnings: [],
  };
  const run = new Run(inputs);
  const core = startJob(
    session,
    {
      kind: call.kind,
      captured,
      options: call.options as CallOptions,
      depth,
      parent: parent.id,
      parentAttempt: request.attempt,
      base: parent.code,
    },
    (core) => packedInput(run, core),
    () => {
      const journalId = newId(session.clock.nowMs());
      return { ref: { journalId, number: 0 }, journal: () => session.openJournal(journalId) };
    },
  );
  core.want("all");
  const siblings = session.nested.get(request.attempt) ?? new Set();
  session.nested.set(request.attempt, siblings.add(core));
  request.waiting();
  const ending = await core.ended();
  siblings.delete(core);
  // It may wait for the others as well: until the last one is there, their tasks have its slot.
  if (siblings.size === 0) {
    request.resumed();
    session.nested.delete(request.attempt);
  }
  if (ending.status === "done") return { ok: true, jobId: core.id, outcomes: refsOf(core) };
  if (ending.failedIndex !== undefined) {
    const segment = core.table.holding(ending.failedIndex);
    if (segment) return { ok: false, jobId: core.id, failed: refOf(core, segment, ending.failedIndex) };
  }
  throw await core.failure();
}

function refsOf(core: JobCore): OutcomeRef[] {
  const segments = [...core.table.segments()].sort((a, b) => a.first - b.first);
  return segments.map((segment) => ({ ...refOf(core, segment, segment.first), count: segment.count }));
}

function packedInput(run: Run, { code }: JobCore): JobInput {
  const input = new PackedInput(run);
  if (!code) return input;
  const values: Uint8Array[] = [];
  for (let index = run.first; index < run.end; index++) {
    const { kind, body } = run.entry(index);
    if (kind === ENTRY_VALUE) values.push(body);
  }
  code.noteValues(values);
  return new PackagedInput(input, code);
}

/** Inputs that a task packed already. */
class PackedInput implements JobInput {
  readonly knownLength: number;
  readonly #run: Run;
  #next = 0;

  constructor(run: Run) {
    this.#run = run;
    this.knownLength = run.count;
  }

  draw(maxTasks: number): DrawnInputs {
    const count = Math.min(maxTasks, this.knownLength - this.#next);
    if (count === 0) return { count: 0, done: true };
    const chunks = this.#run.slice(this.#next, count);
    this.#next += count;
    return { run: Buffer.concat(chunks), count, done: this.#next === this.knownLength };
  }
}
