import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export const root = path.resolve(import.meta.dirname, "../..");

/** A page of the documentation, by its path from the root: `docs/guide.md`. */
export interface Page {
  readonly name: string;
  readonly text: string;
}

/** A fenced block of code. */
export interface Block {
  readonly page: string;
  /** Line of its first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  /** What follows the language: "" or `nocheck: it says why`. */
  readonly note: string;
  readonly code: string;
}

/** What users read: the README and everything under docs/, but for the records of decisions. */
export const pages: readonly Page[] = [
  "README.md",
  ...readdirSync(path.join(root, "docs"), { recursive: true, encoding: "utf8" })
    .map((name) => `docs/${name.replaceAll(path.sep, "/")}`)
    .filter((name) => name.endsWith(".md") && !name.startsWith("docs/decisions/"))
    .sort(),
].map((name) => ({ name, text: readFileSync(path.join(root, name), "utf8") }));

export function page(name: string): Page {
  const found = pages.find((one) => one.name === name);
  if (!found) throw new Error(`there is no page ${name}`);
  return found;
}

export function blocksOf({ name, text }: Page): Block[] {
  const blocks: Block[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const opening = /^```(\w*)\s*(.*)$/.exec(lines[i]!);
    if (!opening) continue;
    const first = i + 1;
    while (++i < lines.length && lines[i] !== "```");
    const [, language = "", note = ""] = opening;
    blocks.push({ page: name, line: first + 1, language, note, code: lines.slice(first, i).join("\n") });
  }
  return blocks;
}

export const blocks: readonly Block[] = pages.flatMap(blocksOf);

/** The text of a section, up to the next heading of its level or above. */
export function section(of: Page, heading: string): string {
  const lines = of.text.split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  if (start < 0) throw new Error(`${of.name} has no section "${heading}"`);
  const level = /^#+/.exec(lines[start]!)![0].length;
  const end = lines.findIndex((line, i) => i > start && (/^(#+) /.exec(line)?.[1]?.length ?? 99) <= level);
  return lines.slice(start, end < 0 ? undefined : end).join("\n");
}

/** Rows of the tables in a text, each as its cells; without heads and rules. */
export function tableRows(text: string): string[][] {
  const lines = text.split("\n");
  return lines
    .filter((line, i) => line.startsWith("|") && !isRule(line) && !isRule(lines[i + 1] ?? ""))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf("|"))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll("\\|", "|")),
    );
}

const isRule = (line: string): boolean => /^\|[\s:|-]+\|$/.test(line);

/** What stands between backquotes. */
export const codeIn = (text: string): string[] => [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);
