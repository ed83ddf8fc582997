import path from "node:path";
import { pathToFileURL } from "node:url";

/** The modules that the simulation runs: those of `src`, or of a copy with a planted bug. */
export interface System {
  readonly driver: typeof import("../../src/scheduler/driver.ts");
  readonly resume: typeof import("../../src/scheduler/resume.ts");
  readonly journal: typeof import("../../src/job/journal.ts");
  readonly reader: typeof import("../../src/job/journal-reader.ts");
  readonly takeover: typeof import("../../src/job/takeover.ts");
  readonly memory: typeof import("../../src/storage/memory.ts");
  readonly segments: typeof import("../../src/storage/segmented-log.ts");
  readonly state: typeof import("../../src/scheduler/state.ts");
}

export async function loadSystem(sourceFolder: string): Promise<System> {
  const load = (file: string) => import(pathToFileURL(path.join(sourceFolder, file)).href);
  const [driver, resume, journal, reader, takeover, memory, segments, state] = await Promise.all([
    load("scheduler/driver.ts"),
    load("scheduler/resume.ts"),
    load("job/journal.ts"),
    load("job/journal-reader.ts"),
    load("job/takeover.ts"),
    load("storage/memory.ts"),
    load("storage/segmented-log.ts"),
    load("scheduler/state.ts"),
  ]);
  return { driver, resume, journal, reader, takeover, memory, segments, state };
}

export const SOURCE_FOLDER = path.resolve(import.meta.dirname, "../../src");
