import { describe, expect, it } from "vitest";
import { KingletError } from "../../src/errors.ts";
import { type Drive, drive, loopTurn, PENDING, Peek, type Steps } from "../../src/worker/steps.ts";

/** Steps must be driven from outside of promise callbacks, as workers do. */
function run<R>(steps: () => Steps<R>, began: (drive: Drive) => void = () => {}): Promise<R> {
  return new Promise((resolve, reject) => {
    setImmediate(() => began(drive(steps(), resolve, reject)));
  });
}

describe("steps that wait for promises", () => {
  it("get values, and errors thrown at the place that waits", async () => {
    const result = await run(function* () {
      const one = (yield Promise.resolve(1)) as number;
      const two = (yield new Promise((resolve) => setTimeout(resolve, 1, 2))) as number;
      try {
        yield Promise.reject(new Error("three"));
      } catch (error) {
        return [one, two, (error as Error).message];
      }
      return [];
    });
    expect(result).toEqual([1, 2, "three"]);
  });

  it("go on in the same turn where a promise is settled, or settles by promise callbacks alone", async () => {
    let finished = false;
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        const twice = async (x: number) => (await x) * 2;
        drive(
          (function* () {
            for (let i = 0; i < 1000; i++) yield twice(i);
          })(),
          () => {
            finished = true;
          },
          () => {},
        );
        expect(finished).toBe(true);
        resolve();
      });
    });
  });

  it("peek at a promise without waiting for it", async () => {
    const slow = new Promise((resolve) => setTimeout(resolve, 1, "slow"));
    const result = await run(function* () {
      const now = yield new Peek(Promise.resolve("now"));
      const later = yield new Peek(slow);
      return [now, later, yield slow];
    });
    expect(result).toEqual(["now", PENDING, "slow"]);
  });

  it("take any thenable, also one that calls back twice", async () => {
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      then(resolve: (value: number) => void) {
        resolve(1);
        resolve(2);
      },
    };
    const result = await run(function* () {
      return [yield thenable as PromiseLike<number>, yield Promise.resolve("next")];
    });
    expect(result).toEqual([1, "next"]);
  });

  it("let timers and I/O have their turn", async () => {
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 0);
    await run(function* () {
      while (!fired) yield loopTurn();
    });
    expect(fired).toBe(true);
  });

  it("can be told that what they wait for never settles", async () => {
    let running: Drive | undefined;
    const result = run(
      function* () {
        try {
          yield new Promise(() => {});
        } catch (error) {
          return error;
        }
        return undefined;
      },
      (drive) => {
        running = drive;
        expect(drive.neverSettles()).toBe(true);
      },
    );
    const error = (await result) as KingletError;
    expect(error).toBeInstanceOf(KingletError);
    expect(error.code).toBe("NEVER_SETTLES");
    expect(running?.neverSettles()).toBe(false);
  });

  it("hand bugs of their own to who drives them", async () => {
    const bug = new Error("bug");
    await expect(
      run(function* () {
        yield Promise.resolve();
        throw bug;
      }),
    ).rejects.toBe(bug);
  });
});
