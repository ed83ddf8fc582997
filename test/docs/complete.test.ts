import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { createProgram } from "../../src/cli/program.ts";
import { resolvePoolOptions } from "../../src/config.ts";
import { checkPoolOptions } from "../../src/options.ts";
import { blocks, codeIn, page, pages, section, tableRows } from "./pages.ts";
import { environmentVariables, exportsOf, membersOf, publicMembersOf, stringsOf } from "./sources.ts";

const api = page("docs/api.md");
const operations = page("docs/operations.md");
const everything = pages.map(({ text }) => text).join("\n");
const rowsOf = (of: typeof api, heading: string) => tableRows(section(of, heading));
const firstCode = (cell: string | undefined) => codeIn(cell ?? "")[0];

describe("the table of errors", () => {
  const rows = rowsOf(operations, "Errors");

  it("has each code once, and no other", () => {
    const codes = stringsOf("src/errors.ts", "ErrorCode");
    expect(codes.length).toBeGreaterThan(20);
    expect(rows.map(([code]) => firstCode(code)).sort()).toEqual(codes.sort());
  });

  it("says of each what it means", () => {
    for (const [code, , meaning] of rows) expect(meaning!.length, code).toBeGreaterThan(15);
  });

  it("has the classes that are exported, as the API has them", () => {
    const classes = exportsOf("src/index.ts").filter((name) => name.endsWith("Error"));
    expect(
      rowsOf(api, "Errors")
        .map(([name]) => firstCode(name))
        .sort(),
    ).toEqual(classes.sort());
    for (const name of rows.flatMap(([, names]) => codeIn(names!))) expect(classes).toContain(name);
  });
});

describe("the tables of options", () => {
  const rows = rowsOf(api, "Options").map(([name, values]) => ({ name: firstCode(name)!, values: values! }));
  const ofCalls = membersOf("src/options.ts", "CallOptions");
  const ofPools = membersOf("src/options.ts", "PoolOptions");

  it("have each option once, and no other", () => {
    expect(rows.map(({ name }) => name).sort()).toEqual([...ofCalls, ...ofPools].sort());
  });

  const ranges = rows.flatMap(({ name, values }) => {
    const [, min, max] = /^([\d,]+) … ([\d,]+)/.exec(values) ?? [];
    return min ? [{ name, min: number(min), max: number(max!) }] : [];
  });

  it.each(ranges)("give the range of $name as it is checked: $min … $max", ({ name, min, max }) => {
    const accepts = (value: number) => {
      try {
        checkPoolOptions({ [name]: value }, "test");
        return true;
      } catch {
        return false;
      }
    };
    expect([min - 1, min, max, max + 1].map(accepts)).toEqual([false, true, true, false]);
  });

  it("give the ranges of all numbers", () => expect(ranges.map(({ name }) => name)).toContain("timeoutMs"));
});

describe("the table of options of aws", () => {
  const rows = rowsOf(api, "Workers on AWS Lambda").map(([name, values]) => ({
    name: firstCode(name)!,
    values: values!,
  }));

  it("has each option once, and no other", () => {
    expect(rows.map(({ name }) => name).sort()).toEqual(membersOf("src/options.ts", "AwsOptions").sort());
  });

  it("gives the ranges as they are checked", () => {
    for (const { name, values } of rows) {
      const [, min, max] = /^([\d,]+) … ([\d,]+)/.exec(values) ?? [];
      if (!min) continue;
      const accepts = (value: number) => {
        try {
          checkPoolOptions({ aws: { [name]: value } }, "test");
          return true;
        } catch {
          return false;
        }
      };
      const edges = [number(min) - 1, number(min), number(max!), number(max!) + 1];
      expect(edges.map(accepts), name).toEqual([false, true, true, false]);
    }
  });
});

const number = (text: string): number => Number(text.replaceAll(",", ""));

describe("the API reference", () => {
  it("names everything that is exported", () => {
    const names = exportsOf("src/index.ts");
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(api.text))).toEqual([]);
  });

  it("names everything of kinglet/dataflow on its own page", () => {
    const names = exportsOf("src/dataflow/index.ts");
    const { text } = page("docs/dataflow.md");
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
    const options = membersOf("src/dataflow/map-reduce.ts", "MapReduceOptions");
    const rows = rowsOf(page("docs/dataflow.md"), "`mapReduce(pool, inputs, options)`").map(([name]) =>
      firstCode(name),
    );
    expect(options.filter((name) => !rows.includes(name))).toEqual([]);
  });

  it("has each option of a computation in supersteps, and all that its vertices have", () => {
    const text = section(page("docs/dataflow.md"), "`bsp(pool, inputs, options)`");
    for (const name of membersOf("src/dataflow/bsp.ts", "BspOptions")) expect(text).toMatch(`\`${name}\``);
    for (const name of membersOf("src/dataflow/bsp.ts", "BspResult")) expect(text).toMatch(`\`${name}\``);
    for (const name of membersOf("src/dataflow/vertex.ts", "Vertex"))
      expect(text).toMatch(`\`vertex.${name}`);
  });

  it("has a section for each method of a pool", () => {
    const methods = new Set([...membersOf("src/pool.ts", "NestedPool"), ...membersOf("src/pool.ts", "Pool")]);
    for (const name of methods)
      expect(section(api, "Pool")).toMatch(new RegExp(`^### \`pool\\.${name}\\b`, "m"));
  });

  it("has each member of what calls give", () => {
    const members = [
      ["Job", membersOf("src/job.ts", "Job"), (name: string) => `job.${name}`],
      ["Job", membersOf("src/job.ts", "JobProgress"), (name: string) => name],
      ["Job", stringsOf("src/job.ts", "JobStatus"), (name: string) => name],
      ["Future", membersOf("src/future.ts", "Future"), (name: string) => `future.${name}`],
      [
        "`ctx`, inside a task",
        publicMembersOf("src/worker/context.ts", "TaskContext"),
        (name: string) => `ctx.${name}`,
      ],
      ["Files", publicMembersOf("src/values/pool-file.ts", "PoolFile"), (name: string) => `file.${name}`],
      ["Slices", membersOf("src/slices/options.ts", "SliceOptions"), (name: string) => name],
      ["Slices", publicMembersOf("src/slices/pool-slice.ts", "PoolSlice"), (name: string) => `slice.${name}`],
      [
        "Named objects",
        publicMembersOf("src/values/stored-object.ts", "NamedStore"),
        (name: string) => `store.${name}`,
      ],
      [
        "Named objects",
        publicMembersOf("src/values/stored-object.ts", "StoredObject"),
        (name: string) => `object.${name}`,
      ],
    ] as const;
    for (const [heading, names, shown] of members) {
      const code = codeIn(section(api, heading)).join("\n");
      for (const name of names.filter((one) => one !== "location"))
        expect(code, heading).toContain(shown(name));
    }
  });
});

describe("the environment variables", () => {
  it("are all there, each with its option", () => {
    const text = section(operations, "Environment variables");
    expect(environmentVariables().length).toBeGreaterThan(6);
    for (const name of environmentVariables()) expect(text).toContain(`\`${name}\``);
  });

  it.each(rowsOf(operations, "Environment variables").map((cells) => cells.map((cell) => firstCode(cell)!)))(
    "%s sets %s, as in the example",
    (variable, option, example) => {
      process.env[variable!] = example;
      try {
        expect(String(resolvePoolOptions({})[option as "storage"])).toBe(example);
      } finally {
        delete process.env[variable!];
      }
    },
  );
});

describe("the commands", () => {
  const program = createProgram(() => {});
  const flagsOf = (command: Command) =>
    command.options.flatMap(({ long, short }) => [long, short].filter((flag) => flag));

  it("are all there, with all options", () => {
    const text = section(operations, "Commands");
    const named = new Set(codeIn(text).flatMap((code) => code.split(/[ ,]/)));
    for (const command of [program, ...program.commands]) {
      if (command !== program) expect(text).toContain(`\`kinglet ${command.name()}`);
      for (const flag of flagsOf(command)) expect([...named], `${command.name()} ${flag}`).toContain(flag);
    }
  });

  it("exist wherever a page shows one, and so do their options", () => {
    const lines = blocks.filter(({ language }) => language === "sh").flatMap(({ code }) => code.split("\n"));
    const shown = [...lines, ...codeIn(everything)]
      .map((line) => /(?:^|npx )kinglet (?!--)([a-z]+)(.*)/.exec(line.replace(/ #.*/, "")))
      .filter((match) => match !== null);
    expect(shown.length).toBeGreaterThan(15);
    for (const [line, name, rest] of shown) {
      const command = program.commands.find((one) => one.name() === name);
      expect(command, line).toBeDefined();
      const flags = rest!.split(" ").filter((word) => word.startsWith("-"));
      for (const flag of flags) expect([...flagsOf(command!), "--help"], line).toContain(flag.split("=")[0]);
    }
  });

  it("end with the exit codes of the table", () => {
    const codes = rowsOf(operations, "Exit codes").map(([code]) => Number(code));
    expect(codes.sort()).toEqual(Object.values(EXIT).sort());
  });
});
