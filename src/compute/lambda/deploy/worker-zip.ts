import { readFile } from "node:fs/promises";
import { KingletError } from "../../../errors.ts";

/** The workers' code as Lambda takes it, made when the package is built. */
export interface WorkerZip {
  readonly bytes: Uint8Array;
  /** In hex. */
  readonly sha256: string;
  /** `file.function`, as Lambda names the function that it calls. */
  readonly handler: string;
}

/** What lies beside the zip. */
export interface WorkerZipManifest {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly handler: string;
  readonly files: Readonly<Record<string, number>>;
}

/** Beside this file's chunk in a build, in a folder of its own in a checkout. */
const FOLDER = import.meta.url.endsWith(".ts") ? "../../../../dist/" : "./";

let known: Promise<WorkerZip> | undefined;

/** @throws KingletError INTERNAL where the package lacks it */
export function workerZip(): Promise<WorkerZip> {
  known ??= readZip(new URL(FOLDER, import.meta.url));
  known.catch(() => {
    known = undefined;
  });
  return known;
}

async function readZip(folder: URL): Promise<WorkerZip> {
  try {
    const [bytes, text] = await Promise.all([
      readFile(new URL("lambda-worker.zip", folder)),
      readFile(new URL("lambda-worker.json", folder), "utf8"),
    ]);
    const { sha256, handler } = JSON.parse(text) as WorkerZipManifest;
    return { bytes, sha256, handler };
  } catch (cause) {
    throw new KingletError(
      "INTERNAL",
      `the workers' zip lambda-worker.zip is missing in ${folder.pathname}`,
      {
        cause,
        remedy: "Install kinglet again; in a checkout, run: npm run build",
      },
    );
  }
}
