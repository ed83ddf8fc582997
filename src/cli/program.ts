import { Command } from "commander";
import { version } from "../version.ts";
import { parseWhole } from "./durations.ts";

const EXIT_CODES = `
Exit codes:
  0    done
  1    the script, a job or a check failed
  2    the command line or the configuration is wrong
  3    no such script, job or store
  4    all that was recorded is done, but the input was never drawn to its end
  130  interrupted by Ctrl-C
`;

const EXAMPLES = `
Examples:
  kinglet run thumbnails.ts photos/         run a script, with a progress bar and a summary
  kinglet run --storage /data/k sweep.ts    keep its objects in a folder of your choice
  kinglet jobs                              what is running, done or interrupted
  kinglet resume 261121-035312-k3f9x2ab     go on with a job whose script died
  kinglet logs 261121-035312-k3f9x2ab -f    what its tasks print
  kinglet clean --older-than 30d --dry-run  what would be deleted
`;

/**
 * The commands and their options. Each command's code is loaded when it runs, so that --help is quick.
 * @param end gets the exit code
 */
export function createProgram(end: (code: number) => void): Command {
  const program = new Command("kinglet")
    .description("The cloud button for TypeScript: ordinary functions on every core, with durable results.")
    .version(version)
    .option("--debug", "show where errors come from")
    .enablePositionalOptions()
    .showHelpAfterError("(kinglet --help shows how)")
    .addHelpText("after", EXAMPLES + EXIT_CODES)
    .exitOverride();
  addRun(program, end);
  addResume(program, end);
  addJobs(program, end);
  addLogs(program, end);
  addCancel(program, end);
  addClean(program, end);
  addDoctor(program, end);
  return program;
}

type End = (code: number) => void;

const STORAGE = [
  "--storage <folder>",
  "where objects are (default: KINGLET_STORAGE, kinglet.config.ts, or .kinglet)",
] as const;
const COMPUTE = ["--compute <backend>", "where tasks run (local, aws-lambda)"] as const;
const CONCURRENCY = [
  "--concurrency <n>",
  "workers at a time (default: every core)",
  (text: string) => parseWhole(text, "--concurrency", 1),
] as const;

function addRun(program: Command, end: End): void {
  program
    .command("run")
    .summary("run a script with a progress bar and a summary")
    .description(
      "Runs a script (TypeScript or JavaScript) and shows the progress of its jobs on stderr; stdout stays the " +
        "script's own. Ends with the script's exit code.",
    )
    .argument("<script>", "its path")
    .argument("[args...]", "what the script gets")
    .option(...STORAGE)
    .option(...CONCURRENCY)
    .option(...COMPUTE)
    .option("--no-progress", "show nothing; the script's own output only")
    .option(
      "--node-arg <arg>",
      "an option for Node, such as --node-arg=--import=tsx; may be repeated",
      (arg: string, all: string[]) => [...all, arg],
      [] as string[],
    )
    .passThroughOptions()
    .action(async (script, args, options) =>
      end(await (await import("./run.ts")).run(script, args, options)),
    );
}

function addResume(program: Command, end: End): void {
  program
    .command("resume")
    .summary("go on with a job whose script died")
    .description(
      "Takes over a job whose driver is gone: tasks that have an outcome keep it, the others run. If the script died " +
        "before it had drawn all of its items, only the recorded ones run, and the exit code is 4.",
    )
    .argument("<id>", "the job's id (kinglet jobs)")
    .option(...STORAGE)
    .option(...CONCURRENCY)
    .option(...COMPUTE)
    .option("--no-progress", "show no progress")
    .option("--json", "print the results, if JSON can show them")
    .action(async (id, options, command: Command) =>
      end(
        await (await import("./resume.ts")).resume(id, {
          ...options,
          debug: command.optsWithGlobals()["debug"],
        }),
      ),
    );
}

function addJobs(program: Command, end: End): void {
  program
    .command("jobs")
    .summary("list jobs and how far they are")
    .description(
      "Lists the jobs of the store, oldest first. State: running (its driver lives), interrupted (it doesn't: resume " +
        "it), done, failed, cancelled. Calls of pool.run that share a journal are one line; name it to see each.",
    )
    .argument("[id...]", "only these")
    .option(...STORAGE)
    .option("--json", "print all facts as JSON")
    .action(async (ids, options) => end(await (await import("./jobs.ts")).jobs(ids, options)));
}

function addLogs(program: Command, end: End): void {
  program
    .command("logs")
    .summary("print what a job's tasks printed")
    .description(
      "Prints the console lines of a job's tasks, from every attempt, in the order in which they came.",
    )
    .argument("<id>", "the job's id")
    .option(...STORAGE)
    .option("--task <n>", "only lines of this task", (text: string) => parseWhole(text, "--task", 0))
    .option("-f, --follow", "go on until the job has ended")
    .option("--json", "one JSON object a line, with time, attempt and stream")
    .action(async (id, options) => end(await (await import("./logs.ts")).logs(id, options)));
}

function addCancel(program: Command, end: End): void {
  program
    .command("cancel")
    .summary("cancel a job")
    .description(
      "Cancels a job: through its driver if that lives, else by marking it. Outcomes so far are kept.",
    )
    .argument("<id>", "the job's id")
    .option(...STORAGE)
    .action(async (id, options) => end(await (await import("./cancel.ts")).cancel(id, options)));
}

function addClean(program: Command, end: End): void {
  program
    .command("clean")
    .summary("delete ended jobs and what nobody needs any more")
    .description(
      "Deletes jobs that have ended, with their results, then functions and values that no job refers to, and what " +
        "dead drivers left. A running job's objects and what another job refers to always stay. Without ids: ended " +
        "jobs that nothing has happened to for 7 days. pool.store's objects are yours, and stay.",
    )
    .argument("[id...]", "these jobs, interrupted ones too, whatever their age")
    .option(...STORAGE)
    .option("--older-than <age>", "ended jobs unchanged for so long: 12h, 7d, 4w (default: 7d)")
    .option("--all", "all ended jobs, whatever their age")
    .option("--interrupted", "interrupted jobs too; they can't be resumed afterwards")
    .option("--dry-run", "only say what would be deleted")
    .option("--json", "print what was deleted as JSON")
    .action(async (ids, options) => end(await (await import("./clean.ts")).clean(ids, options)));
}

function addDoctor(program: Command, end: End): void {
  program
    .command("doctor")
    .summary("check that pools work here")
    .description(
      "Checks Node, options, storage, free space and compute, and says what to do about each problem.",
    )
    .option(...STORAGE)
    .option("--json", "print the findings as JSON")
    .action(async (options) => end(await (await import("./doctor.ts")).doctor(options)));
}
