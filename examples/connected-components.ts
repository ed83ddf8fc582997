/**
 * Finds the groups of people who know each other, directly or through others (connected components of a graph), from a file
 * with a friendship a line.
 *
 * Shows: `bsp` over the slices of a file, vertices that are given more than once (`mergeEdges`), votes to halt: a superstep costs what is
 * still awake. Checks itself against a union-find in memory; a wrong group is exit code 1.
 *
 *   npx kinglet run examples/connected-components.ts
 *   node examples/connected-components.ts --people 500000
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { openPool } from "kinglet";
import { bsp } from "kinglet/dataflow";

const { values: flags } = parseArgs({ options: { people: { type: "string", default: "10000" } } });
const people = Number(flags.people);

/** A friendship for each two people leaves many small groups, and some big ones. */
function madeUpFriends(): [number, number][] {
  let state = 7;
  const someone = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * people);
  };
  return Array.from({ length: Math.floor(people * 0.55) }, () => [someone(), someone()]);
}

/** The least member of each one's group. */
function plainGroups(friends: readonly [number, number][]): Map<number, number> {
  const above = new Map<number, number>();
  const top = (one: number): number => {
    let at = one;
    for (let up = above.get(at); up !== undefined && up !== at; up = above.get(at)) at = up;
    return at;
  };
  for (const [a, b] of friends) {
    const [low, high] = [top(a), top(b)].sort((x, y) => x - y);
    above.set(high!, low!);
    above.set(low!, low!);
  }
  return new Map(friends.flat().map((one) => [one, top(one)]));
}

const friends = madeUpFriends();
const folder = mkdtempSync(path.join(tmpdir(), "kinglet-friends-"));
const file = path.join(folder, "friends.txt");
writeFileSync(file, friends.map((pair) => `${pair.join(" ")}\n`).join(""));
const pool = openPool();
try {
  const awake: number[] = [];
  const { vertices, supersteps } = await bsp(pool, pool.slices(file, { sliceBytes: 64 * 1024 }), {
    async *vertices(slice) {
      for await (const line of slice.lines()) {
        const [a, b] = line.split(" ").map(Number) as [number, number];
        yield [a, a, [b]];
        yield [b, b, [a]];
      }
    },
    mergeEdges: (a, b) => a.concat(b),
    compute(person, names: readonly number[]) {
      const least = names.reduce((a, b) => Math.min(a, b), person.state);
      if (person.superstep === 0 || least < person.state) {
        for (const friend of person.edges) person.send(friend, least);
      }
      person.state = least;
      person.halt();
    },
    combine: (a, b) => Math.min(a, b),
    partitions: 4,
    onSuperstep: ({ messages }) => awake.push(messages),
  });
  const sizes = new Map<number, number>();
  for (const [, group] of vertices) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  console.log(
    `${vertices.length} people in ${sizes.size} groups, the greatest of ${Math.max(...sizes.values())}`,
  );
  console.log(`${supersteps} supersteps, messages in each: ${awake.join(" ")}`);
  const expected = plainGroups(friends);
  const wrong = vertices.filter(([one, group]) => expected.get(one) !== group).length;
  const isRight = wrong === 0 && vertices.length === expected.size;
  console.log(isRight ? "check: the same as a union-find" : `check: FAILED, ${wrong} wrong`);
  process.exitCode = isRight ? 0 : 1;
} finally {
  await pool.close();
  rmSync(folder, { recursive: true });
}
