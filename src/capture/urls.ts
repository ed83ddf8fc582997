import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** `/a/b.ts` of `file:///a/b.ts?v=1`; other text as it is. */
export function pathOf(url: string): string {
  const bare = url.replace(/[?#].*$/, "");
  return bare.startsWith("file:") ? fileURLToPath(bare) : bare;
}

/** `file:///a/b.ts` of `/a/b.ts`; URLs as they are. */
export function urlOf(place: string): string {
  if (/^[a-z][a-z0-9+.-]+:/i.test(place) && !path.isAbsolute(place)) return place;
  return path.isAbsolute(place) ? pathToFileURL(place).href : place;
}

/** Vite writes `/x` for a file in its root: some folder above the importing file. */
export function viteFile(specifier: string, importer: string): string {
  const bare = specifier.replace(/^\/@fs(?=\/)/, "").replace(/[?#].*$/, "");
  if (!bare.startsWith("/") || fs.existsSync(bare)) return bare;
  for (let folder = path.dirname(importer); ; folder = path.dirname(folder)) {
    const file = path.join(folder, bare);
    if (fs.existsSync(file)) return file;
    if (path.dirname(folder) === folder) return bare;
  }
}
