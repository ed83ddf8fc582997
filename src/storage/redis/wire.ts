import { STAMP_BYTES, type Stamper } from "../kv/versions.ts";

/** Commands in the server's protocol (RESP): `*<count>\r\n`, and for each argument `$<bytes>\r\n<argument>\r\n`. */
export type Wire = string | Buffer;

/** ioredis sends a Buffer as it is, but other views of bytes as text. */
export type Argument = string | number | Buffer;

/** A text, as an argument. */
export function textArgument(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** A command with its arguments: text where all of them are. */
export function wireOf(name: string, args: readonly Argument[]): Wire {
  let text = `*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`;
  const pieces: Buffer[] = [];
  for (const arg of args) {
    if (typeof arg !== "object") {
      text += textArgument(String(arg));
      continue;
    }
    pieces.push(Buffer.from(`${text}$${arg.length}\r\n`), arg);
    text = "\r\n";
  }
  return pieces.length === 0 ? text : Buffer.concat([...pieces, Buffer.from(text)]);
}

const GET = "*2\r\n$3\r\nGET\r\n";

export const getWire = (name: string): string => GET + textArgument(name);

/** `MGET` of what `getWire` made. */
export function mgetWire(gets: readonly string[]): string {
  return `*${gets.length + 1}\r\n$4\r\nMGET\r\n${gets.map((get) => get.slice(GET.length)).join("")}`;
}

const SET = "*3\r\n$3\r\nSET\r\n";

/** `SET` of the value behind a new stamp: copied once, right into what is sent. */
export function setWire(name: string, value: Uint8Array, stamper: Stamper): Buffer {
  const storedBytes = STAMP_BYTES + value.byteLength;
  const text = `${SET}${textArgument(name)}$${storedBytes}\r\n`;
  const textBytes = Buffer.byteLength(text);
  const wire = Buffer.allocUnsafe(textBytes + storedBytes + 2);
  wire.write(text);
  stamper.write(wire, textBytes);
  wire.set(value, textBytes + STAMP_BYTES);
  wire[wire.length - 2] = 13;
  wire[wire.length - 1] = 10;
  return wire;
}

/** `MSET` of what `setWire` made. */
export function msetWire(sets: readonly Buffer[]): Buffer {
  const start = Buffer.from(`*${2 * sets.length + 1}\r\n$4\r\nMSET\r\n`);
  return Buffer.concat([start, ...sets.map((set) => set.subarray(SET.length))]);
}
