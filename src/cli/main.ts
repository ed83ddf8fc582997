import { CommanderError } from "commander";
import { endWithReader, sayError } from "./output.ts";
import { createProgram } from "./program.ts";

/** Runs one command; the process ends by itself when nothing is left to do. */
async function main(): Promise<void> {
  endWithReader();
  try {
    await createProgram((code) => {
      process.exitCode = code;
    }).parseAsync();
  } catch (error) {
    // Commander has said what is wrong, or printed its help.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else process.exitCode = sayError(error, process.argv.includes("--debug"));
  }
}

await main();
