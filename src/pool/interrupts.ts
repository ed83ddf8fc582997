import type { Session } from "./session.ts";

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type Signal = keyof typeof EXIT_CODES;

/** Sessions that are open, and the one set of handlers that they share. */
const open = new Set<Session>();
let handling = false;

/**
 * Ctrl-C (and SIGTERM, SIGHUP): nothing more starts, the workers are ended, the unfinished jobs stay in the store and
 * the way to go on with them is printed; then the process ends with 128 + the signal's number. Where the program has
 * a handler of its own for the signal, ending the process is left to that.
 */
export function watchInterrupts(session: Session): void {
  open.add(session);
  for (const signal of Object.keys(EXIT_CODES) as Signal[]) {
    if (!process.listeners(signal).includes(onSignal)) process.on(signal, onSignal);
  }
}

export function unwatchInterrupts(session: Session): void {
  open.delete(session);
  if (open.size > 0 || handling) return;
  for (const signal of Object.keys(EXIT_CODES) as Signal[]) process.off(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
  const others = process.listeners(signal).filter((listener) => listener !== onSignal).length;
  if (handling) {
    // The second one: the user doesn't want to wait.
    if (others === 0) process.exit(EXIT_CODES[signal as Signal]);
    return;
  }
  handling = true;
  const lines = [...open].flatMap((session) => session.unfinished().map(resumeLine));
  if (lines.length > 0) process.stderr.write(`\n${lines.join("\n")}\n`);
  // The script may be waiting for nothing but a job that is let go now: Node would end before we are done.
  const stayAlive = setInterval(() => {}, 1000);
  Promise.allSettled([...open].map((session) => session.interrupt(others === 0))).then(() => {
    clearInterval(stayAlive);
    handling = false;
    if (others === 0) process.exit(EXIT_CODES[signal as Signal]);
  });
}

function resumeLine(job: {
  id: string;
  done: number;
  total: number | undefined;
  inputComplete: boolean;
}): string {
  const of = job.total === undefined ? "" : ` of ${job.total.toLocaleString("en")}`;
  const rest = job.inputComplete
    ? ""
    : "\n  Its items weren't all drawn yet: only those that were can be resumed.";
  return (
    `Interrupted: job ${job.id} has ${job.done.toLocaleString("en")}${of} tasks done, and they are kept.\n` +
    `  Go on with it: kinglet resume ${job.id}${rest}`
  );
}
