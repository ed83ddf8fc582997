/** A pool whose workers return what they are given: the same job for Kinglet and for its peers. */
export interface Subject {
  run<T>(value: T): Promise<T>;
  /** All values at once, in the way the library's documentation recommends. */
  map<T>(values: readonly T[]): Promise<T[]>;
  close(): Promise<void>;
}

/** Each library is loaded only in the process that measures it. */
const SUBJECTS = {
  kinglet: () => import("./kinglet.ts"),
  "kinglet, new closure a call": () => import("./kinglet-closure.ts"),
  piscina: () => import("./piscina.ts"),
  "piscina, batched by hand": () => import("./piscina-batched.ts"),
  "piscina, transferred": () => import("./piscina-transfer.ts"),
  workerpool: () => import("./workerpool.ts"),
  "faast.js local": () => import("./faastjs.ts"),
} satisfies Record<string, () => Promise<{ open(workers: number): Promise<Subject> }>>;

export type SubjectName = keyof typeof SUBJECTS;

export async function openSubject(name: SubjectName, workers: number): Promise<Subject> {
  return (await SUBJECTS[name]()).open(workers);
}
