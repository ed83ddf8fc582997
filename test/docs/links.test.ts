import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { type Page, pages, root } from "./pages.ts";

/** Links of a page to files of this repository, as `[path from the root, anchor]`. */
function linksOf({ name, text }: Page): { target: string; anchor: string }[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [file = "", anchor = ""] = link.split("#");
      const target = file === "" ? name : path.posix.join(path.posix.dirname(name), file);
      return { target, anchor };
    });
}

/** What GitHub makes of a heading. */
const slugOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");

const anchorsOf = ({ text }: Page): string[] =>
  [...text.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/^#+ (.+)$/gm)].map(([, heading]) => slugOf(heading!));

describe("links in the documentation", () => {
  it.each(pages.map((page) => ({ page, name: page.name })))("lead somewhere: $name", ({ page }) => {
    for (const { target, anchor } of linksOf(page)) {
      const file = path.join(root, target);
      expect(existsSync(file), `${page.name} links to ${target}`).toBe(true);
      const linked = pages.find(({ name }) => name === target);
      if (anchor === "" || !linked || statSync(file).isDirectory()) continue;
      expect(anchorsOf(linked), `${page.name} links to ${target}#${anchor}`).toContain(anchor);
    }
  });

  it("lead to every page", () => {
    const linked = new Set(pages.flatMap(linksOf).map(({ target }) => target));
    expect(pages.map(({ name }) => name).filter((name) => name !== "README.md" && !linked.has(name))).toEqual(
      [],
    );
  });
});
