import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  Marker,
  MarkerWriter,
  PHASE_IDLE,
  PHASE_LOADING,
  PHASE_TASK,
} from "../../../src/compute/local/marker.ts";
import { TaskTimer } from "../../../src/compute/local/task-timer.ts";
import { monotonicMs } from "../../../src/worker/monotonic.ts";

const SEQUENCE = 2;
const TIMEOUT_MS = 200;

/** Timers are the test's; how long a task has run is what the marker says. */
describe("the time of a task", () => {
  let marker: Marker;
  let timer: TaskTimer;
  let late: [number, string][];

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    marker = new Marker();
    late = [];
    timer = new TaskTimer(marker, SEQUENCE, TIMEOUT_MS, (index, evidence) => late.push([index, evidence]));
  });
  afterEach(() => {
    timer.cancel();
    marker.close();
    vi.useRealTimers();
  });

  const runs = (phase: 0 | 1 | 2, index: number, sinceMs: number, sequence = SEQUENCE) =>
    new MarkerWriter(marker.fd).write({
      sequence,
      phase,
      attempt: 9,
      index,
      startedMs: monotonicMs() - sinceMs,
    });

  it("is over once that task has had it", () => {
    runs(PHASE_TASK, 5, TIMEOUT_MS);
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect(late).toEqual([[5, "no outcome within 200 ms"]]);
  });

  it.each<[string, () => void]>([
    ["its worker was still busy with another attempt", () => runs(PHASE_TASK, 1, 60_000, SEQUENCE - 1)],
    ["no task ran just then", () => runs(PHASE_IDLE, 4, 0)],
    ["its function was being loaded", () => runs(PHASE_LOADING, 5, 0)],
  ])("is watched also where at the first look %s", (_what, firstLook) => {
    firstLook();
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect(late).toEqual([]);
    runs(PHASE_TASK, 5, TIMEOUT_MS);
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect(late).toEqual([[5, "no outcome within 200 ms"]]);
  });

  it("doesn't begin before its function is loaded, but loading has a limit as well", () => {
    runs(PHASE_LOADING, 5, 29_000);
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect(late).toEqual([]);
    runs(PHASE_LOADING, 5, 30_000);
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect(late).toEqual([[5, "its function was not loaded within 30000 ms"]]);
  });
});
