import fs from "node:fs";
import path from "node:path";

/** Under the system's folder for temporary files: where workers keep what code packages bring. */
export const CODE_FOLDER = "kinglet-code";

/** Removes what tasks have left in a folder that they share, so that none fills it for the next; not what
 * Kinglet keeps there. Never throws. */
export function emptyScratch(folder: string): void {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return; // a task has removed the folder itself
  }
  for (const name of names) {
    if (name.startsWith(`${CODE_FOLDER}-`)) continue;
    try {
      fs.rmSync(path.join(folder, name), { recursive: true, force: true });
    } catch {
      // somebody else's, or in use
    }
  }
}
