import { describe, expect, it } from "vitest";
import { Watch } from "../../../src/compute/local/watch.ts";

/** Frames that come `gapMs` after each wait began; to be woken from sleep takes `wakeMs` more. */
class Frames {
  gapMs = 0;
  wakeMs = 0;
  asked = 0;
  #nowMs = 1000;
  #dueMs = 0;
  readonly watch = new Watch(
    () => {
      this.asked += 1;
      this.#nowMs += 0.001;
      return this.#nowMs >= this.#dueMs;
    },
    () => this.#nowMs,
  );

  /** Waits for `count` frames; how often the watch was asked, and how long it took. */
  wait(count: number): { asked: number; ms: number } {
    const { asked } = this;
    const sinceMs = this.#nowMs;
    for (let i = 0; i < count; i++) {
      this.#dueMs = this.#nowMs + this.gapMs;
      const frame = this.watch.wait(() => {
        if (this.#nowMs < this.#dueMs) this.#nowMs = this.#dueMs + this.wakeMs;
        return "frame";
      });
      expect(frame).toBe("frame");
    }
    return { asked: this.asked - asked, ms: this.#nowMs - sinceMs };
  }
}

describe("waiting for the next invocation", () => {
  it("watches while they come in quick succession and waking is slow", () => {
    const frames = new Frames();
    frames.gapMs = 0.04;
    frames.wakeMs = 0.03;
    frames.wait(200);
    expect(frames.wait(1000).ms).toBeLessThan(1000 * 0.045);
  });

  it("sleeps where they are far between, asking almost nothing", () => {
    const frames = new Frames();
    frames.gapMs = 5;
    frames.wakeMs = 0.03;
    frames.wait(200);
    expect(frames.wait(1000).asked).toBe(0);
  });

  it("sleeps where watching holds up the other side", () => {
    const frames = new Frames();
    frames.gapMs = 0.04;
    frames.wakeMs = 0.03;
    frames.wait(200);
    // Both on one core now: nothing comes before it sleeps.
    frames.gapMs = 0.2;
    frames.wait(200);
    expect(frames.wait(1000).asked).toBe(0);
  });
});
