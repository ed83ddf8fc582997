import { randomBytes } from "node:crypto";

/** `261121-035312-k3f9x2`: sorts by time, in UTC. */
export function newId(nowMs: number): string {
  const time = new Date(nowMs).toISOString().replace(/[-:]/g, "");
  const random = randomBytes(5).readUIntBE(0, 5).toString(36).padStart(8, "0");
  return `${time.slice(2, 8)}-${time.slice(9, 15)}-${random}`;
}
