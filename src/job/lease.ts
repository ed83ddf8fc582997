import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { Clock } from "../clock.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { isNotFound } from "../storage/failures.ts";
import { driverKey } from "./keys.ts";

/**
 * A driver's lease: one small object that says which process leads the journals it opened, so that nobody takes a
 * job from a living driver. It is advice: what makes two leaders harmless is the claim of an epoch (journal.ts).
 */
export interface DriverLease {
  readonly driverId: string;
  readonly pid: number;
  readonly host: string;
  /** Identity of the process beyond its pid, which the system reuses: boot id and start time. */
  readonly processKey: string | undefined;
  readonly renewedMs: number;
}

/** A lease of another machine that wasn't renewed for this long belongs to nobody. */
export const LEASE_EXPIRES_MS = 60_000;
export const LEASE_RENEW_MS = 15_000;

export function newLease(driverId: string, clock: Clock): DriverLease {
  return {
    driverId,
    pid: process.pid,
    host: hostname(),
    processKey: processKey(process.pid),
    renewedMs: clock.nowMs(),
  };
}

export async function writeLease(store: ObjectStore, lease: DriverLease): Promise<void> {
  await store.put(driverKey(lease.driverId), Buffer.from(JSON.stringify(lease)));
}

export async function readLease(store: ObjectStore, driverId: string): Promise<DriverLease | undefined> {
  try {
    return JSON.parse(Buffer.from(await store.get(driverKey(driverId))).toString()) as DriverLease;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Whether the lease's process still lives: exact on this machine, by the time of renewal elsewhere. */
export function leaseIsAlive(lease: DriverLease, clock: Clock): boolean {
  if (lease.host === hostname()) {
    if (!pidExists(lease.pid)) return false;
    const key = processKey(lease.pid);
    return key === undefined || lease.processKey === undefined || key === lease.processKey;
  }
  return clock.nowMs() - lease.renewedMs < LEASE_EXPIRES_MS;
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Linux: boot id and start time in ticks (proc(5), field 22). Elsewhere undefined: the pid alone has to do. */
function processKey(pid: number): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const afterName = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended, though its parent hasn't noticed yet.
    return afterName[0] === "Z" ? `${boot}:ended` : `${boot}:${afterName[19]}`;
  } catch {
    return undefined;
  }
}
