import type { JobEvent, JobState } from "@lowrank/serve/jobs";
import type { MethodComparison } from "../../report/comparison/methodComparison.ts";
import { htmlPage } from "../../report/page/htmlPage.ts";
import { lineChart } from "../../report/page/lineChart.ts";
import { type Column, digits, htmlTable } from "../../report/table.ts";
import type { SweepPlan, Trial } from "./sweepFile.ts";

/** Trial of a sweep with its status and losses. */
export interface TrialResult {
  /** Number of the trial, counted from 1. */
  readonly number: number;
  readonly id: string;
  readonly options: Trial;
  readonly status: string;
  readonly error: string | null;
  /** Training losses, as pairs of step and loss. */
  readonly training: readonly (readonly [step: number, loss: number])[];
  /** Validation losses, as pairs of step and loss. */
  readonly validation: readonly (readonly [step: number, loss: number])[];
}

/** Formats a trial's options: "lr 0.001, r 8". */
export function describeTrial(options: Trial): string {
  return Object.entries(options)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

/** Returns the result of a trial from its job and log. */
export function resultOf(
  number: number,
  options: Trial,
  { job, end }: JobState,
  log: readonly JobEvent[],
): TrialResult {
  const series = (name: string) =>
    log.flatMap(({ data }): [number, number][] => (data?.[name] === undefined ? [] : [[data.step, data[name]]]));
  return {
    ...{
      number,
      id: job.id,
      options,
      status: end?.status ?? "open",
      error: end?.reason ?? end?.error?.message ?? null,
    },
    ...{ training: series("train_loss"), validation: series("valid_loss") },
  };
}

/**
 * Returns the loss by which trials are compared: the last validation loss, or else the last training loss; null if the
 * trial has no losses.
 */
export function lossOf({ validation, training }: TrialResult): number | null {
  return (validation.at(-1) ?? training.at(-1))?.[1] ?? null;
}

/** Sorts trials by loss, the best first. Trials without a loss and failed trials come last. */
export function ranked(results: readonly TrialResult[]): TrialResult[] {
  const rank = (result: TrialResult) =>
    result.status === "succeeded" ? (lossOf(result) ?? Number.MAX_VALUE) : Number.POSITIVE_INFINITY;
  return results.toSorted((a, b) => rank(a) - rank(b) || a.number - b.number);
}

/** Returns the columns of a sweep's table. `comparison` has the adapters' costs; without it, costs have no columns. */
export function sweepColumns(
  { varied, validation }: SweepPlan,
  comparison: MethodComparison | null,
): Column<TrialResult>[] {
  const costs = new Map(comparison?.rows.map((row) => [row.name, row]));
  const costOf = ({ options }: TrialResult) => costs.get(describeTrial(options));
  return [
    { title: "trial", key: "trial", value: ({ number }) => number },
    ...varied.map((name): Column<TrialResult> => {
      const value = (result: TrialResult) => {
        const found = result.options[name];
        return typeof found === "boolean" ? String(found) : found;
      };
      return { title: name, key: name, value, show: String };
    }),
    ...(validation === null
      ? []
      : [
          {
            title: "validation loss",
            key: "validation_loss",
            value: ({ validation }: TrialResult) => validation.at(-1)?.[1] ?? null,
            show: digits,
          },
        ]),
    {
      title: "training loss",
      key: "training_loss",
      value: ({ training }) => training.at(-1)?.[1] ?? null,
      show: digits,
    },
    ...(comparison === null
      ? []
      : [
          {
            title: "trainable parameters",
            key: "trainable",
            value: (result: TrialResult) => costOf(result)?.trainable ?? null,
          },
          {
            title: "Pareto front",
            key: "pareto_optimal",
            value: (result: TrialResult) => {
              const { paretoOptimal } = costOf(result) ?? {};
              return paretoOptimal === undefined ? null : paretoOptimal ? "yes" : "no";
            },
          },
        ]),
    { title: "steps", key: "steps", value: ({ training }) => training.at(-1)?.[0] ?? null },
    { title: "result", key: "result", value: ({ status, error }) => error ?? status },
  ];
}

/** Returns an HTML page with the sweep's table and charts of the trials' losses. */
export function sweepPage(
  plan: SweepPlan,
  results: readonly TrialResult[],
  comparison: MethodComparison | null,
): string {
  const shared = Object.entries(plan.shared).map(([name, value]) => `${name} ${value}`);
  const label = ({ options }: TrialResult) => describeTrial(options);
  const chart = (title: string, series: "training" | "validation") => {
    const lines = results.filter((result) => result[series].length > 1);
    if (lines.length === 0) return [];
    const drawn = lines.map((result) => ({
      name: label(result),
      group: `trial ${result.number}`,
      points: result[series],
    }));
    return [lineChart({ title, xTitle: "step", lines: drawn, show: digits })];
  };
  const best = results[0]?.status === "succeeded" ? [`The best: ${label(results[0])}.`] : [];
  return htmlPage({
    title: `${results.length} trials of ${plan.varied.join(", ")}`,
    paragraphs: [
      `${plan.method === "dpo" ? "Comparisons" : "Examples"} of ${plan.data.join(", ")}, on ${plan.model}.`,
      ...(shared.length > 0 ? [`All trials: ${shared.join(", ")}.`] : []),
      ...best,
    ],
    tables: [{ heading: "Trials, the best first", html: htmlTable(sweepColumns(plan, comparison), results) }],
    charts: [...chart("Validation loss", "validation"), ...chart("Training loss", "training")],
    notes: [],
  });
}
