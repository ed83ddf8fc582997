// @ts-nocheck
import crypto from "node:crypto";
import events from "node:events";
import fs from "node:fs";
import net from "node:net";
import pathns from "node:path";
import stream from "node:stream";
import { table } from "./table.ts";

export const errors = table("impossible captures");
const { fails, failsWhile } = errors;

const holds = (value) => () => value;
fails("WeakMap", ((w) => () => w)(new WeakMap()), /captured variable "w" can't be sent: it is a WeakMap/);
fails("WeakSet", holds(new WeakSet()), /it is a WeakSet/);
fails("WeakRef", holds(new WeakRef({})), /it is a WeakRef/);
fails("FinalizationRegistry", holds(new FinalizationRegistry(() => {})), /it is a FinalizationRegistry/);
fails("eval", (x) => eval("x+1"), /it uses eval/);
const dbc = { pool: { conn: new net.Socket() } };
function query() {
  return dbc.pool.conn;
}
fails(
  "socket: path, who captured it, and what to do",
  () => query(),
  /^captured variable "dbc" \(at dbc\.pool\.conn\) can't be sent: it is a live Socket of node:net\n {4}captured by query {2}\S*errors\.\S+:\d+:\d+, which is captured by \(anonymous\) {2}\S*errors\.\S+:\d+:\d+\n {4}Open it inside the function, or create it in its own module and import that\.$/,
);
fails("stream", holds(new stream.PassThrough()), /PassThrough/);
fails(
  "server, by way of a helper",
  ((srv) => {
    const useIt = () => srv.address();
    return () => useIt();
  })(net.createServer()),
  /captured variable "srv" .*Server.*captured by useIt/s,
);
fails("AbortSignal", ((sig) => () => sig.aborted)(new AbortController().signal), /AbortSignal.*signal/s);
fails("Promise", ((p) => () => p)(Promise.resolve(1)), /Promise.*Await it/s);
fails(
  "running generator",
  ((g) => () => g.next())(
    (function* () {
      yield 1;
    })(),
  ),
  /Generator/,
);
fails("iterator", ((g) => () => g.next())([1].values()), /Array Iterator/);
fails("crypto Hash", holds(crypto.createHash("md5")), /Hash/);
fails("KeyObject", holds(crypto.createSecretKey(Buffer.alloc(16))), /KeyObject/);
fails("EventEmitter", holds(new events.EventEmitter()), /EventEmitter/);
fails("WebAssembly.Module", holds(new WebAssembly.Module(fs.readFileSync(pathns.join(process.env.TORTURE_LIB, "add.wasm")))), /WebAssembly\.Module/);
fails("SharedArrayBuffer", holds(new SharedArrayBuffer(8)), /SharedArrayBuffer/);
fails("a view of a SharedArrayBuffer", holds(new Uint8Array(new SharedArrayBuffer(8))), /SharedArrayBuffer/);
fails("a timer", holds(setTimeout(() => {}, 0)), /Timeout/);
failsWhile(
  "temporal dead zone",
  (capture) => {
    const result = capture(() => tdz);
    const tdz = 1;
    return result;
  },
  /captured variable "tdz" can't be sent: it is not initialised yet/,
);
fails("in a Map and a Set", holds(new Map([["k", new Set([new WeakMap()])]])), /\(at value\.get\("k"\)\.item\(0\)\)/);
class Conn {
  #socket = new net.Socket();
  use() {
    return this.#socket;
  }
}
fails("in a private field", holds(new Conn()), /\(at value\.#socket\).*live Socket/);
