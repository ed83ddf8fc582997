import fs from "node:fs";
import path from "node:path";

/** What Kinglet itself keeps there: unpacked packages, compiled code. */
export const KEPT_FOLDER = "kinglet";

/** Removes what tasks have left in a folder that they share, so that none fills it for the next. Never throws. */
export function emptyScratch(folder: string): void {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return; // a task has removed the folder itself
  }
  for (const name of names) {
    if (name === KEPT_FOLDER) continue;
    try {
      fs.rmSync(path.join(folder, name), { recursive: true, force: true });
    } catch {
      // somebody else's, or in use
    }
  }
}
