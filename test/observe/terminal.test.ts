import { afterEach, describe, expect, it, vi } from "vitest";
import { createLiveBlock } from "../../src/observe/live-block.ts";
import { openTerminal } from "../../src/observe/terminal.ts";
import { committed, drawn, ended, finished, opened, retried, started } from "./events.ts";
import { Screen } from "./screen.ts";

/** A pipe or file: text, and nothing that a terminal would obey. */
class Pipe {
  text = "";
  write = (text: string): boolean => {
    this.text += text;
    return true;
  };
  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }
}

/** Lets what is due in this turn of the loop happen. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe("a live block", () => {
  it("is drawn over what it was before, also when it shrinks", () => {
    const screen = new Screen();
    const block = createLiveBlock(screen);
    screen.write("$ run\n");
    block.draw(["one 10 %", "two 20 %", "three 30 %"]);
    block.draw(["one 50 %", "two 60 %"]);
    expect(screen.lines).toEqual(["$ run", "one 50 %", "two 60 %"]);
    block.erase();
    expect(screen.lines).toEqual(["$ run"]);
  });

  it("has lines printed above it", () => {
    const screen = new Screen();
    const block = createLiveBlock(screen);
    block.draw(["bar 1", "bar 2"]);
    block.print("hello");
    block.print("world");
    expect(screen.lines).toEqual(["hello", "world", "bar 1", "bar 2"]);
  });

  it("is cut at the terminal's width rather than wrapped, so that it can be drawn over", () => {
    const screen = new Screen(10);
    const block = createLiveBlock(screen);
    block.draw(["0123456789abcdef"]);
    block.draw(["9876543210fedcba"]);
    expect(screen.lines).toEqual(["9876543210"]);
    block.print("a long line of someone else wraps");
    expect(screen.lines).toEqual(["a long lin", "e of someo", "ne else wr", "aps", "9876543210"]);
  });

  it("writes nothing when nothing changed", () => {
    const screen = new Screen();
    const block = createLiveBlock(screen);
    block.draw(["same"]);
    const before = screen.raw;
    block.draw(["same"]);
    expect(screen.raw).toBe(before);
  });
});

describe("progress on a terminal", () => {
  function open(stdout: Screen | Pipe = new Pipe()) {
    const screen = new Screen(100);
    vi.useFakeTimers({ now: 0, toFake: ["setInterval", "clearInterval", "Date"] });
    const display = openTerminal({ stderr: screen, stdout, live: true });
    return { screen, display, stdout };
  }

  it("shows a bar with counts, rate, remaining time, workers and failures", () => {
    const { screen, display } = open();
    display.observer(opened("j", 0, { name: "thumbs", total: 200 }));
    display.observer(started("j", 0, 1, 0, 50));
    display.observer(retried("j", 500, 3));
    display.observer(committed("j", 1000, 0, 50, 2));
    vi.advanceTimersByTime(1000);
    expect(screen.lines).toEqual([
      "thumbs  ██████░░░░░░░░░░░░░░░░░░   25 %  50/200  50/s  3.0 s left  1 worker  2 failed  1 retried",
    ]);
  });

  it("shows what is done where nobody knows how many there will be, and a bar as soon as someone does", () => {
    const { screen, display } = open();
    display.observer(opened("j", 0));
    display.observer(committed("j", 1000, 0, 50));
    vi.advanceTimersByTime(1000);
    expect(screen.lines).toEqual(["resize  50 done  50/s"]);
    display.observer(drawn("j", 1000, 100, 100));
    vi.advanceTimersByTime(100);
    expect(screen.lines[0]).toMatch(/^resize {2}█{12}░{12} {3}50 % {2}50\/100/);
  });

  it("never shows 100 % before all is done", () => {
    const { screen, display } = open();
    display.observer(opened("j", 0, { total: 1000 }));
    display.observer(committed("j", 100, 0, 999));
    vi.advanceTimersByTime(100);
    expect(screen.lines[0]).toContain(" 99 %");
    display.observer(committed("j", 200, 999, 1));
    vi.advanceTimersByTime(100);
    expect(screen.lines[0]).toContain("100 %");
  });

  it("shows a line for each running job, and counts those that don't fit", () => {
    const { screen, display } = open();
    for (let i = 1; i <= 12; i++) display.observer(opened(`j${i}`, 0, { name: `job ${i}`, nested: i === 1 }));
    vi.advanceTimersByTime(100);
    expect(screen.lines).toEqual([
      ...[2, 3, 4, 5, 6, 7, 8].map((i) => `job ${i}  0 done`),
      "… and 5 more jobs",
    ]);
    for (let i = 3; i <= 12; i++) display.observer(ended(`j${i}`, 100));
    vi.advanceTimersByTime(100);
    expect(screen.lines.slice(-2)).toEqual(["job 2    0 done", "↳ job 1  0 done"]);
  });

  it("keeps a line of each job that ended, then the summary; the bar is gone", () => {
    const { screen, display } = open();
    display.observer(opened("j", 0, { total: 10, settled: 4 }));
    display.observer(started("j", 0, 1, 4, 6));
    vi.advanceTimersByTime(100);
    display.observer(finished("j", 1500, 1, 4, 6));
    display.observer(committed("j", 1500, 4, 6));
    display.observer(ended("j", 1500, { tasks: 10 }));
    display.observer(opened("k", 1500, { total: 9 }));
    display.observer(ended("k", 2000, { state: "cancelled" }));
    display.finish();
    display.finish();
    expect(screen.lines).toEqual([
      "✓ resize: 10 tasks (4 of them before) in 1.5 s",
      "✗ resize: cancelled after 0 of 9 tasks in 500 ms",
      "tasks    10 in 2 jobs, 1 of them not done, 4 done before",
      "wall     2.0 s",
      "busy     1.5 s on 2 workers: speed-up 0.8",
      "retries  0",
      "slowest  resize tasks 4–9 together: 1.5 s",
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("says nothing about a script that ran no job", () => {
    const { screen, display } = open();
    vi.advanceTimersByTime(1000);
    display.finish();
    expect(screen.raw).toBe("");
  });

  it("lets what the script prints scroll above the bar, whichever stream it prints to", async () => {
    const screen = new Screen(100);
    vi.useFakeTimers({ now: 0, toFake: ["setInterval", "clearInterval", "Date"] });
    const { display, stdout, stderr } = openBothOn(screen);
    display.observer(opened("j", 0));
    vi.advanceTimersByTime(100);
    stdout.write("to stdout\n");
    stderr.write("to stderr\n");
    await turn();
    expect(screen.lines).toEqual(["to stdout", "to stderr", "resize  0 done"]);
    display.finish();
    stdout.write("after\n");
    expect(screen.lines.at(-1)).toBe("after");
  });

  it("doesn't draw over an unfinished line", async () => {
    const screen = new Screen(100);
    vi.useFakeTimers({ now: 0, toFake: ["setInterval", "clearInterval", "Date"] });
    const { display, stdout } = openBothOn(screen);
    display.observer(opened("j", 0));
    vi.advanceTimersByTime(100);
    stdout.write("Go on? ");
    await turn();
    vi.advanceTimersByTime(500);
    expect(screen.lines).toEqual(["Go on?"]);
    stdout.write("yes\n");
    await turn();
    expect(screen.lines).toEqual(["Go on? yes", "resize  0 done"]);
    stdout.write("50 %, ");
    display.observer(ended("j", 100, { state: "failed" }));
    display.finish();
    expect(screen.lines.slice(1, 3)).toEqual(["50 %,", "✗ resize: failed after 0 tasks in 100 ms"]);
  });

  it("leaves stdout alone where that is a file", () => {
    const { display, stdout } = open();
    const { write } = stdout;
    display.observer(opened("j", 0));
    expect(stdout.write).toBe(write);
  });

  it("takes control characters out of names", () => {
    const { screen, display } = open();
    display.observer(opened("j", 0, { functionName: "\u001b[2Jevil\u0007\r\n\u202e" }));
    vi.advanceTimersByTime(100);
    expect(screen.lines).toEqual(["evil  0 done"]);
  });

  /** stdout and stderr of a process that both show on one screen. */
  function openBothOn(screen: Screen) {
    const streams = [1, 2].map(() => ({ isTTY: true, write: (text: string) => screen.write(text) }));
    const [stdout, stderr] = streams as [(typeof streams)[0], (typeof streams)[0]];
    return { stdout, stderr, display: openTerminal({ stderr, stdout, live: true }) };
  }
});

describe("progress in a pipe", () => {
  it("is a plain line every five seconds at most, then the summary", () => {
    const stderr = new Pipe();
    let nowMs = 0;
    const display = openTerminal({ stderr, stdout: new Pipe(), nowMs: () => nowMs });
    display.observer(opened("j", 0, { total: 1200 }));
    for (let s = 1; s <= 12; s++) {
      nowMs = s * 1000;
      display.observer(committed("j", nowMs, (s - 1) * 100, 100));
    }
    display.observer(ended("j", 12_000, { tasks: 1200 }));
    display.finish();
    expect(stderr.lines).toEqual([
      "resize: 41 %, 500/1,200, 100/s, 7.0 s left",
      "resize: 83 %, 1,000/1,200, 100/s, 2.0 s left",
      "✓ resize: 1,200 tasks in 12.0 s",
      "tasks    1,200",
      "wall     12.0 s",
      "retries  0",
    ]);
  });

  it("doesn't spend a line on each of many quick jobs", () => {
    const stderr = new Pipe();
    const display = openTerminal({ stderr, stdout: new Pipe(), nowMs: () => 0 });
    for (let i = 0; i < 100; i++) {
      display.observer(opened(`j${i}`, 0));
      display.observer(ended(`j${i}`, 10, { state: i === 50 ? "failed" : "done" }));
    }
    expect(stderr.lines).toHaveLength(11);
    expect(stderr.lines.at(-1)).toContain("✗ resize: failed");
  });

  it("is plain on a terminal that knows no escape sequences, too", () => {
    vi.stubEnv("TERM", "dumb");
    const screen = new Screen();
    const display = openTerminal({ stderr: screen, stdout: new Pipe(), nowMs: () => 0 });
    display.observer(opened("j", 0));
    display.finish();
    expect(screen.raw).not.toContain("\u001b");
  });
});
