import { readdirSync } from "node:fs";
import os from "node:os";
import { afterEach, describe, expect, it } from "vitest";
import {
  Marker,
  MarkerWriter,
  ORDER_ABORT,
  ORDER_REVOKE,
  PHASE_TASK,
} from "../../../src/compute/local/marker.ts";

const markers: Marker[] = [];
function open(): [Marker, MarkerWriter] {
  const marker = new Marker();
  markers.push(marker);
  return [marker, new MarkerWriter(marker.fd)];
}
afterEach(() => {
  for (const marker of markers.splice(0)) marker.close();
});

describe("what driver and worker share", () => {
  it("tells which task runs since when", () => {
    const [marker, writer] = open();
    expect(marker.read()).toMatchObject({ sequence: 0, attempt: 0 });
    const state = {
      sequence: 3,
      phase: PHASE_TASK,
      attempt: 4_000_000_000,
      index: 2 ** 40,
      startedMs: 12345.678,
    } as const;
    writer.write(state);
    expect(marker.read()).toEqual(state);
  });

  it("brings orders to the worker, and takes them back", () => {
    const [marker, writer] = open();
    marker.order(7, ORDER_REVOKE);
    const second = marker.order(8, ORDER_ABORT);
    expect([6, 7, 8].map((sequence) => writer.orderFor(sequence))).toEqual([
      undefined,
      ORDER_REVOKE,
      ORDER_ABORT,
    ]);
    second.takeBack();
    expect(writer.orderFor(8)).toBeUndefined();
    expect(writer.orderFor(7)).toBe(ORDER_REVOKE);
  });

  it("keeps the last 32 orders", () => {
    const [marker, writer] = open();
    for (let sequence = 1; sequence <= 40; sequence++) marker.order(sequence, ORDER_REVOKE);
    for (let sequence = 9; sequence <= 40; sequence++) expect(writer.orderFor(sequence)).toBe(ORDER_REVOKE);
  });

  it("leaves no file behind, not even while it is open", () => {
    open();
    const left = readdirSync(os.tmpdir()).filter((name) => name.startsWith(`kinglet-marker-${process.pid}-`));
    expect(left).toEqual([]);
  });
});
