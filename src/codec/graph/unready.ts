/**
 * Handles whose bytes a process must fetch before it can use them: a broadcast in a remote store. Decoding is
 * synchronous, and so is reading such a value; so whoever decodes waits in between.
 */
export interface Unready {
  /** Fetches what it needs. Never rejects: a failure shows when it is used. */
  fetch(): Promise<void>;
}

let found: Unready[] = [];

/** Called while a value is being decoded that holds such a handle. */
export function foundUnready(handle: Unready): void {
  found.push(handle);
}

/** To be called right after decoding: undefined if all is there, as it nearly always is. */
export function whenReady(): Promise<unknown> | undefined {
  if (found.length === 0) return undefined;
  return Promise.all(takeUnready().map((handle) => handle.fetch()));
}

/** For who decodes without using the value: fetches nothing. */
export function takeUnready(): Unready[] {
  const taken = found;
  found = [];
  return taken;
}
