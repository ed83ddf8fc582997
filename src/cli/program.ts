import { Argument, Command } from "commander";
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
  kinglet plan sort --bytes 100TB           what a sort would take, and cost
  kinglet deploy aws --dry-run              what workers on AWS Lambda need, before it is made
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
  addPlan(program, end);
  addDoctor(program, end);
  addClouds(program, end);
  return program;
}

type End = (code: number) => void;

const STORAGE = [
  "--storage <place>",
  "a folder or URL (s3://…, redis://…) for all objects (default: KINGLET_STORAGE, kinglet.config.ts, or .kinglet)",
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

function addPlan(program: Command, end: End): void {
  program
    .command("plan")
    .summary("compute what a sort would take, without running it")
    .description(
      "Computes how a sort of so many bytes would go on AWS Lambda and S3: runs, partitions, levels of merges, requests, time " +
        "and cost, by the same formulas as `sort` of kinglet/dataflow. Nothing runs, and nothing is asked of AWS.",
    )
    .addArgument(new Argument("<what>", "what is planned").choices(["sort"]))
    .requiredOption("--bytes <size>", "how much: 100TB, 1.5GB, 64MiB")
    .option("--memory-mb <n>", "memory of a worker in MiB (default: the least that will do, from 256 on)")
    .option("--workers <n>", "workers at a time (default: 1000)")
    .option("--mb-per-second <n>", "what a worker reads, sorts and writes in a second (default: 40)")
    .option("--partitions <n>", "objects of the output (default: as many as sorted runs)")
    .option("--architecture <name>", "arm64 or x64 (default: arm64)")
    .option("--json", "print all facts as JSON")
    .action(async (_what, options) => end((await import("./plan.ts")).planSort(options)));
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

const CLOUD = ["<cloud>", "aws: workers on AWS Lambda"] as const;
const REGION = [
  "--region <name>",
  "AWS region (default: AWS_REGION, or aws.region in kinglet.config.ts)",
] as const;
const BUCKET = [
  "--storage <url>",
  "where jobs live, s3://bucket/prefix (default: KINGLET_STORAGE, or kinglet.config.ts)",
] as const;

const whole = (option: string) => (text: string) => parseWhole(text, option, 1);
const listOf =
  <T>(parse: (text: string) => T) =>
  (text: string, all: T[] = []): T[] => [...all, parse(text)];

function addClouds(program: Command, end: End): void {
  addDeploy(program, end);
  program
    .command("status")
    .summary("show what is deployed in a cloud")
    .description(
      "Shows the worker functions of a region with their version, state and size, the account's limit of environments, " +
        "and what earlier versions left behind.",
    )
    .argument(...CLOUD)
    .option(...REGION)
    .option("--json", "print all facts as JSON")
    .action(async (cloud, options) => end(await (await import("./aws/status.ts")).status(cloud, options)));
  program
    .command("destroy")
    .summary("remove what was deployed to a cloud")
    .description(
      "Deletes the worker functions of all versions in a region, with their roles, policies and log groups, after asking. " +
        "Jobs and their results stay in the store. The next job on Lambda makes anew what it needs.",
    )
    .argument(...CLOUD)
    .option(...REGION)
    .option("--old", "only what this version doesn't use")
    .option("--dry-run", "only say what would be deleted")
    .option("-y, --yes", "don't ask")
    .option("--json", "print what was deleted as JSON; asks all the same without --yes")
    .action(async (cloud, options) => end(await (await import("./aws/destroy.ts")).destroy(cloud, options)));
  program
    .command("policy")
    .summary("print the permissions that a cloud needs")
    .description(
      "Prints IAM policies for the store and the region, as JSON: of the workers' role, of users (who run jobs on functions " +
        "that are there), and of deployers (who make, look at and delete them, as first use does). Asks nobody, changes nothing.",
    )
    .argument(...CLOUD)
    .option("--for <whom>", "only this one, as IAM takes it: worker, user or deployer")
    .option(...BUCKET)
    .option(...REGION)
    .option(
      "--read <place>",
      "a further place that tasks may read, s3://bucket/prefix; may be repeated",
      listOf(String),
    )
    .action(async (cloud, options) => end(await (await import("./aws/policy.ts")).policy(cloud, options)));
}

function addDeploy(program: Command, end: End): void {
  program
    .command("deploy")
    .summary("make the worker functions of a cloud")
    .description(
      "Makes the worker function that jobs use, its role and its log group; the first job would do it otherwise. One " +
        "function serves all scripts: its name holds the hash of what makes it, so running this again changes nothing, and " +
        "versions don't disturb each other. None of it costs anything while no job runs. `kinglet policy aws` prints what it " +
        "needs, `kinglet status aws` what is there, `kinglet destroy aws` removes all of it.",
    )
    .argument(...CLOUD)
    .option(...BUCKET)
    .option(...REGION)
    .option("--dry-run", "only say what would be made, with the role's policy")
    .option(
      "--memory-mb <n>",
      "memory, and with it processor; may be repeated: a function of each size (default: 1769)",
      listOf(whole("--memory-mb")),
    )
    .option(
      "--copies <n>",
      "functions of each size: each grows by 1,000 environments in 10 s",
      whole("--copies"),
    )
    .option(
      "--timeout-s <n>",
      "the longest that one batch of tasks may take, to 900 (default: 900)",
      whole("--timeout-s"),
    )
    .option("--ephemeral-storage-mb <n>", "space under /tmp (default: 512)", whole("--ephemeral-storage-mb"))
    .option("--architecture <name>", "arm64 or x64 (default: arm64, a fifth cheaper)")
    .option("--runtime <name>", "nodejs24.x or nodejs22.x (default: nodejs24.x)")
    .option("--role-arn <arn>", "a role of your own for the workers; none is made then")
    .option(
      "--read <place>",
      "a further place that tasks may read, s3://bucket/prefix; may be repeated",
      listOf(String),
    )
    .option("--json", "print what was made as JSON")
    .action(async (cloud, options) => end(await (await import("./aws/deploy.ts")).deploy(cloud, options)));
}
