import type {
  CheckGroup,
  MaskedExample,
  SuiteCheck,
  SuiteDifference,
  SuiteMeasures,
  SuiteReport,
} from "@lowrank/testing";
import { styled } from "../../cli/terminalView.ts";
import { type Column, digits, textTable } from "../../report/table.ts";
import { renderMasked } from "../train/view/renderExample.ts";

/** Headings of the groups of checks. */
export const groupTitles: Readonly<Record<CheckGroup, string>> = {
  adapter: "Adapter",
  prompts: "Prompts",
  heldOut: "Held-out data",
  forgetting: "Forgetting",
  drift: "Drift",
  masks: "Loss masks",
  against: "Comparison",
};

/** Number of examples whose loss masks are printed. The page has all. */
const shownMasks = 3;

/** Measurements with their names in tables. */
const measureTitles: Readonly<Record<keyof SuiteMeasures, string>> = {
  passed: "passed prompts",
  loss: "held-out loss (nats a token)",
  perplexity: "held-out perplexity",
  generalLoss: "loss on general text (nats a token)",
  changedTokens: "changed tokens",
  kl: "KL(base || adapter) (nats a token)",
};

/** Row of the table of measurements. */
export interface MeasureRow {
  readonly title: string;
  readonly base: number | null;
  readonly adapter: number | null;
  readonly against: number | null;
}

/** Returns the measurements of a report as rows. */
export function measureRows({ measures: { base, adapter, against } }: SuiteReport): MeasureRow[] {
  return (Object.keys(measureTitles) as (keyof SuiteMeasures)[])
    .filter((key) => adapter[key] !== undefined)
    .map((key) => {
      const value = (of: SuiteMeasures | null) => of?.[key] ?? null;
      return { title: measureTitles[key], base: value(base), adapter: value(adapter), against: value(against) };
    });
}

/** Returns the columns of the table of measurements. */
export function measureColumns({ against }: SuiteReport): Column<MeasureRow>[] {
  return [
    { title: "", key: "measure", value: ({ title }) => title },
    { title: "base", key: "base", value: (row) => row.base, show: digits },
    { title: "adapter", key: "adapter", value: (row) => row.adapter, show: digits },
    ...(against === null
      ? []
      : [{ title: "against", key: "against", value: (row: MeasureRow) => row.against, show: digits }]),
  ];
}

/** The columns of the table that compares two adapters. */
export const differenceColumns: readonly Column<SuiteDifference>[] = [
  { title: "", key: "metric", value: ({ metric }) => metric },
  { title: "adapter", key: "adapter", value: ({ adapter }) => adapter, show: digits },
  { title: "against", key: "against", value: ({ against }) => against, show: digits },
  { title: "difference", key: "difference", value: ({ difference }) => difference, show: digits },
  { title: "from", key: "low", value: ({ low }) => low, show: digits },
  { title: "to", key: "high", value: ({ high }) => high, show: digits },
  { title: "corrected p", key: "corrected", value: ({ corrected }) => corrected, show: digits },
  { title: "items", key: "items", value: ({ differing, items }) => `${differing} of ${items} differ` },
  { title: "verdict", key: "verdict", value: ({ verdict }) => verdict },
];

/** Returns one line about the result: the adapters, and how many checks passed. */
export function headline({ name, adapter, against, checks, seconds }: SuiteReport): string {
  const passed = checks.filter((check) => check.passed).length;
  const other = against === null ? "" : ` against ${against}`;
  return `${plain(name)}: ${plain(`${adapter}${other}`)}, ${passed} of ${checks.length} checks passed in ${seconds.toFixed(1)} s`;
}

/**
 * Returns a report as lines for a terminal. `stream` decides about colours; null for none. Only failed prompts have
 * a line.
 */
export function suiteText(report: SuiteReport, stream: NodeJS.WriteStream | null): string[] {
  const paint = (style: Parameters<typeof styled>[0], text: string) => (stream ? styled(style, text, stream) : text);
  const mark = ({ passed }: SuiteCheck) => (passed ? paint("green", "ok  ") : paint("red", "FAIL"));
  const groups = [...new Set(report.checks.map(({ group }) => group))];
  const lines = groups.flatMap((group) => {
    const own = report.checks.filter((check) => check.group === group);
    const shown = group === "prompts" && own.length > 1 ? own.filter(({ passed }) => !passed) : own;
    const left = own.length - shown.length;
    const rest = left > 0 ? [`  ${paint("green", "ok  ")} ${left} of ${own.length} prompts`] : [];
    return [
      groupTitles[group],
      ...shown.map((check) => `  ${mark(check)} ${plain(check.name)}: ${plain(check.message)}`),
      ...rest,
      "",
    ];
  });
  const measured = measureRows(report);
  const measures = measured.length > 0 ? [...textTable(measureColumns(report), measured), ""] : [];
  const compared = report.comparison ? [...textTable(differenceColumns, report.comparison.rows), ""] : [];
  return [
    ...lines,
    ...measures,
    ...compared,
    ...maskLines(report.masks, stream),
    paint(report.passed ? "green" : "red", headline(report)),
  ];
}

/** Replaces control characters, which could change the terminal, and line feeds. */
function plain(text: string): string {
  return text.replace(/\n/g, "\\n").replace(/\p{Cc}/gu, "\uFFFD");
}

function maskLines(masks: readonly MaskedExample[], stream: NodeJS.WriteStream | null): string[] {
  const order = masks.toSorted((a, b) => Number(b.problems.length > 0) - Number(a.problems.length > 0));
  const colours = stream && styled("green", "x", stream) !== "x";
  const paint = colours ? (text: string) => styled("green", text, stream) : undefined;
  return order.slice(0, shownMasks).flatMap(({ where, tokens, learned, parts }) => {
    const how = colours ? "in green" : "in [[ ]]";
    return [`${where}: ${learned} of ${tokens} tokens are learned, ${how}`, renderMasked(parts, paint), ""];
  });
}
