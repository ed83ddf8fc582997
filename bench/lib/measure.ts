import { availableParallelism, cpus, loadavg } from "node:os";
import type { Bar, Figures, Metric, Plan, Round } from "./benchmark.ts";
import { medianOf, type Spread, short, shortSpread, spreadOf } from "./statistics.ts";

export interface Measured {
  readonly plan: Plan;
  readonly rounds: readonly Round[];
  /** Variants that aren't installed. */
  readonly missing: readonly string[];
}

/** Interleaved: one sample of each variant a round, so that a slow minute of the machine hits them all. */
export async function measure(plan: Plan, runs: number, progress: (text: string) => void): Promise<Measured> {
  const rounds: Round[] = [];
  const missing = new Set<string>();
  for (let run = 1; run <= runs; run++) {
    if (plan.takeRound) {
      progress(`run ${run} of ${runs}`);
      rounds.push(await plan.takeRound());
      continue;
    }
    const round = new Map<string, Figures>();
    for (const variant of plan.variants) {
      if (missing.has(variant.name)) continue;
      progress(`run ${run} of ${runs}: ${variant.name}`);
      const figures = await variant.sample?.();
      if (figures) round.set(variant.name, figures);
      else missing.add(variant.name);
    }
    rounds.push(round);
  }
  progress("");
  return { plan, rounds, missing: [...missing] };
}

/** The tables and bars, as text. */
export function tables({ plan, rounds, missing }: Measured): string {
  const machine = `Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model.trim()}`;
  const load = `load ${loadavg()[0]!.toFixed(1)}`;
  const lines = [`# ${plan.title}`, `${rounds.length} interleaved runs, ${machine}, ${load}`, ""];
  for (const metric of plan.metrics) lines.push(...metricTable(metric, plan, rounds), "");
  for (const bar of plan.bars) lines.push(barLine(bar, rounds));
  for (const note of plan.notes ?? []) lines.push(note);
  for (const name of missing) {
    const install = plan.variants.find((variant) => variant.name === name)?.install;
    lines.push(`${name} isn't installed${install ? `: ${install}` : ""}`);
  }
  return lines.join("\n");
}

function metricTable(metric: Metric, plan: Plan, rounds: readonly Round[]): string[] {
  const unit = metric.unit ?? "ms";
  const header = [metric.title, `median ${unit}`, "min–max"];
  if (metric.tasks) header.push("µs/task");
  header.push(`× ${metric.baselineTitle ?? metric.baseline}`, "min–max");
  const rows: string[][] = [];
  for (const { name } of plan.variants) {
    const found = figuresOf(metric.figure, name, rounds);
    if (found.length === 0) continue;
    const spread = spreadOf(found);
    const row = [name, short(spread.median), shortSpread(spread)];
    if (metric.tasks) row.push(short((spread.median * 1000) / metric.tasks));
    const ratios = ratiosTo(metric, name, rounds);
    rows.push(ratios ? [...row, short(ratios.median), shortSpread(ratios)] : [...row, "", ""]);
  }
  return aligned([header, ...rows]);
}

function figuresOf(figure: string, variant: string, rounds: readonly Round[]): number[] {
  return rounds.map((round) => round.get(variant)?.[figure]).filter((value) => value !== undefined);
}

/** Ratios are taken within a round, where both sides met the same noise. */
function ratiosTo(metric: Metric, variant: string, rounds: readonly Round[]): Spread | undefined {
  const against = typeof metric.baseline === "string" ? metric.baseline : metric.baseline(variant);
  const ratios = rounds.flatMap((round) => {
    const [own, baseline] = [round.get(variant)?.[metric.figure], round.get(against)?.[metric.figure]];
    return own === undefined || baseline === undefined ? [] : [own / baseline];
  });
  return ratios.length === 0 ? undefined : spreadOf(ratios);
}

export interface BarResult {
  readonly text: string;
  readonly median?: number;
  readonly min?: number;
  readonly max?: number;
  readonly pass?: boolean;
}

export function barResult(bar: Bar, rounds: readonly Round[]): BarResult {
  const figures = rounds.map((round) => bar.figure(round)).filter((value) => value !== undefined);
  if (figures.length === 0) return { text: bar.text };
  const median = medianOf(figures);
  const pass =
    median <= (bar.atMost ?? Number.POSITIVE_INFINITY) && median >= (bar.atLeast ?? Number.NEGATIVE_INFINITY);
  return { text: bar.text, ...spreadOf(figures), pass };
}

function barLine(bar: Bar, rounds: readonly Round[]): string {
  const result = barResult(bar, rounds);
  if (result.pass === undefined) return `  –    ${bar.text}: not measured`;
  const unit = bar.unit ?? "×";
  const limit = bar.atMost !== undefined ? `≤ ${bar.atMost}` : `≥ ${bar.atLeast}`;
  const spread = shortSpread({ median: result.median!, min: result.min!, max: result.max! });
  return `${result.pass ? "  pass" : "  MISS"} ${bar.text}: ${short(result.median!)} ${unit} (${spread}), bar ${limit} ${unit}`;
}

/** The first column to the left, numbers to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}

/** Everything measured, for programs. */
export function asJson({ plan, rounds, missing }: Measured): object {
  return {
    title: plan.title,
    node: process.version,
    cpu: cpus()[0]?.model.trim(),
    cpus: availableParallelism(),
    load: loadavg(),
    finishedAt: new Date().toISOString(),
    rounds: rounds.map((round) => Object.fromEntries(round)),
    bars: plan.bars.map((bar) => barResult(bar, rounds)),
    missing,
  };
}
