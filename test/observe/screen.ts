// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what it takes apart
const TOKENS = /\u001b\[[?0-9]*[A-Za-z]|[\s\S]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const ESCAPE = /^\u001b\[(\??)([0-9]*)([A-Za-z])$/;

/**
 * A terminal of `columns` columns that knows just what the live display uses: text, CR, LF, cursor up, clear below,
 * wrapping off and on. Anything else in the stream is an error.
 */
export class Screen {
  readonly columns: number;
  readonly isTTY = true;
  /** All that was ever written. */
  raw = "";
  #rows: string[] = [""];
  #row = 0;
  #column = 0;
  #wrap = true;

  constructor(columns = 80) {
    this.columns = columns;
  }

  write = (chunk: string | Uint8Array): boolean => {
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    this.raw += text;
    for (const [token] of text.matchAll(TOKENS)) this.#take(token);
    return true;
  };

  #take(token: string): void {
    const sequence = ESCAPE.exec(token);
    if (!sequence) {
      if (token === "\r") this.#column = 0;
      else if (token === "\n") this.#lineFeed();
      else if (token < " ") throw new Error(`unexpected control ${JSON.stringify(token)}`);
      else this.#put(token);
    } else if (sequence[3] === "A") this.#row = Math.max(0, this.#row - Number(sequence[2] || 1));
    else if (sequence[3] === "J" && this.#column === 0)
      this.#rows.splice(this.#row, Number.POSITIVE_INFINITY, "");
    else if (sequence[1] === "?" && sequence[2] === "7") this.#wrap = sequence[3] === "h";
    else throw new Error(`unexpected escape ${JSON.stringify(token)}`);
  }

  #lineFeed(): void {
    this.#row += 1;
    this.#column = 0;
    this.#rows[this.#row] ??= "";
  }

  #put(character: string): void {
    if (this.#column >= this.columns) {
      if (!this.#wrap) return;
      this.#lineFeed();
    }
    const row = this.#rows[this.#row]!.padEnd(this.#column);
    this.#rows[this.#row] = row.slice(0, this.#column) + character + row.slice(this.#column + 1);
    this.#column += 1;
  }

  /** What the user sees, without empty lines at the end. */
  get lines(): string[] {
    const rows = this.#rows.map((row) => row.trimEnd());
    while (rows.at(-1) === "") rows.pop();
    return rows;
  }
}
