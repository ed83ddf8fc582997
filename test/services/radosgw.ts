import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Daemon, run, startDaemon, waitUntil } from "./daemon.ts";
import { freePort } from "./ports.ts";

/** Who may do what on the test server. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface S3Facts extends S3Credentials {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  readonly region: string;
  /** Another user, to whom the server refuses every write. */
  readonly reader: S3Credentials & { readonly userId: string };
}

export interface Running<Facts> {
  readonly facts: Facts;
  readonly daemons: readonly Daemon[];
  stop(): Promise<void>;
}

const OWNER = { accessKeyId: "KINGLETTESTS", secretAccessKey: "kinglet-tests-secret" };
const READER = {
  accessKeyId: "KINGLETREADER",
  secretAccessKey: "kinglet-reader-secret",
  userId: "kinglet-reader",
};

/**
 * Ceph's S3 server with all that it stands on: one monitor and one storage daemon that keeps objects in memory, at
 * most 4 GiB. Listens on loopback. Up in about four seconds.
 */
export async function startRadosgw(folder: string): Promise<Running<S3Facts>> {
  const [port, monitorPort] = [await freePort(), await freePort()];
  for (const name of ["mon", "osd", "rgw", "run", "log"])
    mkdirSync(path.join(folder, name), { recursive: true });
  const clusterId = randomUUID();
  const config = path.join(folder, "ceph.conf");
  writeFileSync(config, cephConfig({ folder, clusterId, monitorPort, port }));
  const withConfig = ["-c", config];
  const daemons: Daemon[] = [];
  const start = (name: string, ...args: string[]) =>
    daemons.push(startDaemon(name, [...withConfig, "-f", ...args], { folder }));
  const stop = async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
  };
  try {
    const monitors = path.join(folder, "monmap");
    const address = `[v1:127.0.0.1:${monitorPort}]`;
    await run("monmaptool", ["--create", "--addv", "a", address, "--fsid", clusterId, monitors]);
    await run("ceph-mon", [...withConfig, "--mkfs", "-i", "a", "--monmap", monitors]);
    start("ceph-mon", "-i", "a");

    const ceph = (...args: string[]) => run("ceph", [...withConfig, "--connect-timeout", "60", ...args]);
    const diskId = randomUUID();
    const disk = (await ceph("osd", "new", diskId)).trim();
    await run("ceph-osd", [...withConfig, "-i", disk, "--mkfs", "--osd-uuid", diskId]);
    await ceph("osd", "crush", "add", `osd.${disk}`, "1.0", "root=default", "host=tests");
    start("ceph-osd", "-i", disk);
    await waitUntil("ceph-osd", async () => / 1 up/.test(await ceph("osd", "stat")), daemons);

    start("radosgw", "-n", "client.rgw");
    const endpoint = `http://127.0.0.1:${port}`;
    await waitUntil("radosgw", () => answers(endpoint), daemons);
    await addUser(withConfig, "kinglet-tests", OWNER);
    await addUser(withConfig, READER.userId, READER, "--op-mask=read");
    return { facts: { endpoint, region: "us-east-1", ...OWNER, reader: READER }, daemons, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    return (await fetch(endpoint)).ok;
  } catch {
    return false;
  }
}

function addUser(config: string[], userId: string, keys: S3Credentials, ...more: string[]): Promise<string> {
  return run("radosgw-admin", [
    ...config,
    ...["-n", "client.rgw", "user", "create", `--uid=${userId}`, `--display-name=${userId}`],
    ...[
      `--access-key=${keys.accessKeyId}`,
      `--secret-key=${keys.secretAccessKey}`,
      "--max-buckets=0",
      ...more,
    ],
  ]);
}

interface Layout {
  readonly folder: string;
  readonly clusterId: string;
  readonly monitorPort: number;
  readonly port: number;
}

/**
 * One of each, nothing replicated, no authentication inside, and a monitor that decides at once (8 s off the start). What
 * was deleted is soon gone: otherwise it would fill the memory for two hours more, and a full server stops answering.
 */
const cephConfig = ({ folder, clusterId, monitorPort, port }: Layout): string => `[global]
fsid = ${clusterId}
mon host = v1:127.0.0.1:${monitorPort}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
paxos propose interval = 0.02
paxos min wait = 0.01
run dir = ${folder}/run
log file = ${folder}/log/$name.log
admin socket = ${folder}/run/$name.asok
pid file = ${folder}/run/$name.pid
[mon]
mon data = ${folder}/mon
ms bind msgr2 = false
mon osd full ratio = .99
[osd]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
memstore page set = false
osd class update on start = false
osd crush update on start = false
osd scrub load threshold = 0
[client.rgw]
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw enable usage log = false
rgw run sync thread = false
rgw enable apis = s3, admin
rgw override bucket index max shards = 1
rgw thread pool size = 64
rgw gc obj min wait = 1
rgw gc processor period = 1
keyring = /dev/null
`;
