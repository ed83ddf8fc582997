import { stripVTControlCharacters } from "node:util";

/** C0, DEL and C1 controls but for the tab, and the marks that turn the direction of text around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Text that can't do anything to a terminal: what tasks print, file names and error messages are other people's.
 * Escape sequences and line breaks are gone, tabs are kept.
 */
export function harmless(text: string): string {
  return stripVTControlCharacters(text).replace(CONTROLS, "");
}
