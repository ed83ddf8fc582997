import path from "node:path";

/**
 * Keys ↔ paths under the root. A key's segments are the folders and the file, as they are, so that `ls` shows the
 * store, except for what a file system can't hold or Kinglet keeps for itself:
 * - `%` and a leading `.` are written `%25` and `%2E`; where the file system takes "A" for "a" (macOS, Windows),
 *   capitals and everything beyond ASCII are written so as well;
 * - a segment longer than a file name may be is cut into folders whose names end with `%+`;
 * - names with any other `%` are Kinglet's own (`%tmp`): no key can reach them.
 */
export interface KeyPaths {
  /** The real path of the store's folder. */
  readonly root: string;
  pathOf(key: string): string;
  /** The segment, or part of one, that a file name stands for; undefined for names that no key has. */
  segmentOf(name: string): string | undefined;
}

/** The store's marker at its root. A key of this name is escaped. */
export const MARKER_NAME = "kinglet-store.json";
/** Where objects are written before they are linked into place. */
export const TEMP_FOLDER = "%tmp";
/** Ends the name of a folder that holds the rest of a long segment. */
export const CONTINUED = "%+";

/** File systems end names at 255 bytes; two are kept for `%+`. */
const MAX_NAME_BYTES = 250;

export function keyPaths(root: string, foldsNames: boolean): KeyPaths {
  // The characters that a name can't hold as they are.
  const escaped = foldsNames ? /%|^\.|[A-Z]|\P{ASCII}+/gu : /%|^\./g;
  const needsWork = foldsNames ? /%|(?:^|\/)\.|[A-Z]|\P{ASCII}/u : /%|(?:^|\/)\./;
  const encode = (segment: string): string => segment.replace(escaped, percentEncode);

  return {
    root,
    pathOf(key) {
      const plain = key.length <= MAX_NAME_BYTES / 3 && !needsWork.test(key) && !key.startsWith(MARKER_NAME);
      if (plain) return root + path.sep + (path.sep === "/" ? key : key.replaceAll("/", path.sep));
      const names = key.split("/").flatMap((segment) => cut(encode(segment)));
      if (names[0] === MARKER_NAME) names[0] = `%6B${MARKER_NAME.slice(1)}`;
      return path.join(root, ...names);
    },
    segmentOf(name) {
      if (!name.includes("%") && !needsWork.test(name)) return name;
      const segment = percentDecode(name);
      const known = segment !== undefined && (encode(segment) === name || segment === MARKER_NAME);
      return known ? segment : undefined;
    },
  };
}

function percentEncode(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text)) encoded += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return encoded;
}

function percentDecode(name: string): string | undefined {
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

/** A long name as the folders and the file that it is cut into; never inside a `%XX` or a character. */
function cut(name: string): string[] {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return [name];
  const parts: string[] = [];
  let part = "";
  let partBytes = 0;
  for (const unit of name.match(/%[0-9A-F]{2}|./gsu) ?? []) {
    const unitBytes = Buffer.byteLength(unit);
    if (partBytes + unitBytes > MAX_NAME_BYTES) {
      parts.push(part + CONTINUED);
      part = "";
      partBytes = 0;
    }
    part += unit;
    partBytes += unitBytes;
  }
  return [...parts, part];
}
