/**
 * Options of `node` that are the driver's alone. Value: whether the option may take its value from the next argument.
 * All others go on to the workers, loaders such as tsx's above all. `--env-file` need not: the environment is passed on.
 */
const NOT_FOR_WORKERS: ReadonlyMap<string, boolean> = new Map([
  ["--eval", true],
  ["-e", true],
  ["--print", true],
  ["-p", true],
  ["-pe", true],
  ["--check", false],
  ["-c", false],
  ["--interactive", false],
  ["-i", false],
  ["--input-type", true],
  ["--env-file", true],
  ["--env-file-if-exists", true],
  ["--inspect-port", true],
  ["--debug-port", true],
  ["--watch-path", true],
  ["--test-name-pattern", true],
  ["--test-skip-pattern", true],
  ["--test-reporter", true],
  ["--test-reporter-destination", true],
  ["--test-concurrency", true],
  ["--test-shard", true],
  ["--test-timeout", true],
  ["--test-isolation", true],
  ["--test-coverage-include", true],
  ["--test-coverage-exclude", true],
  ["--run", true],
]);
const NOT_FOR_WORKERS_AT_ALL = /^--(?:inspect|test|watch)(?:-|=|$)/;

/** The progress display that `kinglet run` loads into the driver. */
const display = import.meta.url.endsWith(".ts") ? "../../observe/preload.ts" : "./observe.js";
const displayOption = `--import=${new URL(display, import.meta.url).href}`;

/**
 * What of the driver's own `process.execArgv` its workers start with.
 *
 * @example
 * workerExecArgv(["--inspect=9229", "--import", "tsx", "--eval", "main()"]); // ["--import", "tsx"]
 */
export function workerExecArgv(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const argument = execArgv[i]!;
    if (argument === displayOption) continue;
    const name = argument.split("=", 1)[0]!;
    const takesNext = NOT_FOR_WORKERS.get(name);
    if (takesNext === undefined && !NOT_FOR_WORKERS_AT_ALL.test(argument)) kept.push(argument);
    else if (takesNext && !argument.includes("=")) i += 1;
  }
  return kept;
}

/** As `workerExecArgv`, for a value of NODE_OPTIONS. */
export function workerNodeOptions(nodeOptions: string): string {
  return workerExecArgv(nodeOptions.match(/(?:[^\s"]|"(?:\\.|[^"])*")+/g) ?? []).join(" ");
}

/** The driver's environment, for its workers. */
export function workerEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, NODE_UNIQUE_ID: _cluster, ...rest } = env;
  const options = NODE_OPTIONS ? workerNodeOptions(NODE_OPTIONS) : "";
  return options ? { ...rest, NODE_OPTIONS: options } : rest;
}
