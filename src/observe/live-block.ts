/** The part of `process.stderr` that is used here. */
export interface TextStream {
  write(text: string): unknown;
}

const ESC = "\u001b[";
// Without wrapping the terminal itself cuts what is too wide, whatever the width of its characters.
const WRAP_OFF = `${ESC}?7l`;
const WRAP_ON = `${ESC}?7h`;
const CLEAR_BELOW = `${ESC}J`;

/**
 * A few lines at the bottom of a terminal that are drawn again and again, while other text scrolls above them.
 * (docs/decisions/0003-progress-bar.md says why this isn't a package.)
 *
 * @example
 * const block = createLiveBlock(process.stderr);
 * block.draw(["50 %"]);
 * block.print("found something");   // above the block
 * block.erase();                    // at the end
 */
export interface LiveBlock {
  /** Draws the lines in place of the ones before. Lines must hold no line break. */
  draw(lines: readonly string[]): void;
  /** Writes lines that stay, above the block. */
  print(text: string): void;
  /** Takes the block off the screen; `draw` brings it back. */
  erase(): void;
}

export function createLiveBlock(stream: TextStream): LiveBlock {
  let shown: readonly string[] = [];
  const goBack = () => (shown.length > 1 ? `\r${ESC}${shown.length - 1}A` : shown.length === 1 ? "\r" : "");

  return {
    draw(lines) {
      if (lines.length === shown.length && lines.every((line, i) => line === shown[i])) return;
      const cleared = shown.length > 0 ? goBack() + CLEAR_BELOW : "";
      stream.write(lines.length > 0 ? `${cleared}${WRAP_OFF}${lines.join("\n")}${WRAP_ON}` : cleared);
      shown = [...lines];
    },
    print(text) {
      const lines = shown;
      this.erase();
      stream.write(`${text}\n`);
      if (lines.length > 0) this.draw(lines);
    },
    erase() {
      if (shown.length > 0) stream.write(goBack() + CLEAR_BELOW);
      shown = [];
    },
  };
}
