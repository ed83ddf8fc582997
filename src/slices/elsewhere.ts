import { areFilesElsewhere } from "../capture/elsewhere.ts";
import { UsageError } from "../errors.ts";

/** In a worker that doesn't see the driver's files: @throws UsageError BAD_ARGUMENT saying what to do */
export function refuseElsewhere(call: "files" | "slices", patterns: readonly string[]): void {
  if (!areFilesElsewhere()) return;
  throw new UsageError(
    "BAD_ARGUMENT",
    `${call}: ${patterns.join(", ")} names files of the machine that the pool was opened on; this worker is on another one`,
    { remedy: `Pass pool.${call}(…) as items, which uploads them; or name them in option files.` },
  );
}
