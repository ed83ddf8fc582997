// Preloaded into a driver whose store is a server: kills the process (SIGKILL) around its n-th write to a connection. A
// request to S3 is one write, but for those with big bodies.
// KILL_AT=n:before (it was not sent) | n:sent (it was, and may take effect when its sender is dead).
// KILL_COUNT=file: only counts, and writes the number there at the end.
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

const { write } = net.Socket.prototype;
net.Socket.prototype.write = function (...args) {
  // Workers' pipes have no port, and are never being connected.
  if (this.remotePort === undefined && !this.connecting) return write.apply(this, args);
  creates();
  const result = write.apply(this, args);
  hasSent();
  return result;
};
process.on("exit", () => {
  if (process.env.KILL_COUNT && armed()) writeFileSync(process.env.KILL_COUNT, String(created));
});
