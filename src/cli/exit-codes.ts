import { KingletError } from "../errors.ts";

/** What the process ends with; in every command's help. */
export const EXIT = {
  ok: 0,
  /** The script, the job or the check failed. */
  failed: 1,
  /** The command line or the configuration is wrong; nothing was done. */
  usage: 2,
  /** No such job, script or store. */
  notFound: 3,
  /** Everything that was recorded is done, but the input was never drawn to its end. */
  inputIncomplete: 4,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

const CODE_EXITS: Partial<Record<KingletError["code"], number>> = {
  BAD_ARGUMENT: EXIT.usage,
  BAD_OPTION: EXIT.usage,
  UNKNOWN_OPTION: EXIT.usage,
  BAD_CONFIG: EXIT.usage,
  JOB_NOT_FOUND: EXIT.notFound,
  NOT_FOUND: EXIT.notFound,
  INPUT_INCOMPLETE: EXIT.inputIncomplete,
};

export const exitCodeOf = (error: unknown): number =>
  (error instanceof KingletError && CODE_EXITS[error.code]) || EXIT.failed;
