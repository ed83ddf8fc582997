// Preloaded into a driver whose store is a server: kills the process (SIGKILL) around its n-th request (HTTP), or write
// to a connection (Redis).
// KILL_AT=n:before (it was not sent) | n:sent (it was, and may take effect when its sender is dead).
// KILL_COUNT=file: only counts, and writes the number there at the end.
import { subscribe } from "node:diagnostics_channel";
import { writeFileSync } from "node:fs";
import net from "node:net";

const [at, when] = (process.env.KILL_AT ?? "").split(":");
let created = 0;
let sent = 0;
const armed = () => process.env.KILL_ARMED && process.argv[1]?.endsWith("nonces.ts");

function creates() {
  if (!armed()) return;
  created += 1;
  if (created === Number(at) && when === "before") process.kill(process.pid, "SIGKILL");
}

function hasSent() {
  if (!armed()) return;
  sent += 1;
  // In a later turn: the bytes are in the system's hands by then.
  if (sent === Number(at) && when === "sent") setImmediate(() => process.kill(process.pid, "SIGKILL"));
}

subscribe("undici:request:create", creates);
subscribe("undici:request:bodySent", hasSent);

const isRedis = process.argv[2]?.startsWith("redis");
const { write } = net.Socket.prototype;
if (isRedis) {
  net.Socket.prototype.write = function (...args) {
    // Workers' pipes have no port.
    if (this.remotePort === undefined) return write.apply(this, args);
    creates();
    const result = write.apply(this, args);
    hasSent();
    return result;
  };
}
process.on("exit", () => {
  if (process.env.KILL_COUNT && armed()) writeFileSync(process.env.KILL_COUNT, String(created));
});
