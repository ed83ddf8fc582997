/** What a benchmark is made of. `run.ts` measures its variants in turn (A B C A B C …) and prints the tables. */

/** What one sample measured: figure → value. A figure's unit is told by its `Metric`. */
export type Figures = Record<string, number>;

export interface Variant {
  readonly name: string;
  /** Takes one sample, in a fresh process; undefined: this variant isn't installed here. */
  sample?(): Promise<Figures | undefined>;
  /** How to get a variant that isn't there. */
  readonly install?: string;
}

/** A row of figures to show: one table a metric. */
export interface Metric {
  readonly figure: string;
  readonly title: string;
  /** Ratios are taken against this variant; a function names that of each variant. */
  readonly baseline: string | ((variant: string) => string);
  /** What the column of ratios is called, where `baseline` is a function. */
  readonly baselineTitle?: string;
  /** Shows the figure divided by this as well, in microseconds: the cost of one task. */
  readonly tasks?: number;
  readonly unit?: "ms" | "µs" | "MiB" | "MiB/s" | "op/s" | "requests" | "µ$";
}

/** The samples of one round, by the name of the variant. */
export type Round = ReadonlyMap<string, Figures>;

/** A bar from the design: the figure is taken in each round, and the median of the rounds is compared. */
export interface Bar {
  readonly text: string;
  /** Undefined where a variant that it needs is missing. */
  figure(round: Round): number | undefined;
  readonly atMost?: number;
  readonly atLeast?: number;
  /** `×` by default. */
  readonly unit?: string;
}

export interface Plan {
  readonly title: string;
  readonly variants: readonly Variant[];
  /** Where `--runs` isn't given. Default 5. */
  readonly defaultRuns?: number;
  /** In place of the variants' own samples, where they have to be taken together. */
  takeRound?(): Promise<Round>;
  readonly metrics: readonly Metric[];
  readonly bars: readonly Bar[];
  /** What the figures mean; printed below the tables. */
  readonly notes?: readonly string[];
}

/** Sizes that can be set by flag; a benchmark takes those that it knows. */
export interface Sizes {
  /** Tasks. */
  readonly n?: number;
  readonly workers: number;
  /** Size of the value in `roundtrip`, the biggest one in `payload`. */
  readonly sizeMib?: number;
  /** Captured objects in `capture`. */
  readonly objects?: number;
}

export type Benchmark = (sizes: Sizes) => Plan;

/** `figure` of one variant over that of another, in one round. */
export function ratio(figure: string, of: string, over: string): Bar["figure"] {
  return (round) => {
    const [above, below] = [round.get(of)?.[figure], round.get(over)?.[figure]];
    return above === undefined || below === undefined ? undefined : above / below;
  };
}
