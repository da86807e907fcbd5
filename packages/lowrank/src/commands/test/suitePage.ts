import type { MaskedExample, SuiteAnswer, SuiteCheck, SuiteReport } from "@lowrank/testing";
import { htmlPage } from "../../report/page/htmlPage.ts";
import { type Column, escapeHtml, htmlTable } from "../../report/table.ts";
import { differenceColumns, groupTitles, headline, measureColumns, measureRows } from "./suiteText.ts";

const style = `td.message, td.prompt, td.answer, td.against, td.problems { white-space: pre-wrap; min-width: 16em; max-width: 44em; overflow-wrap: anywhere; }
td.status.passed { color: light-dark(#1a7f37, #4ac26b); } td.status.failed { color: light-dark(#cf222e, #ff8f88); font-weight: 600; }
pre.mask { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid #8886; padding-left: 0.8em; margin: 0.3em 0 1.2em; }
pre.mask mark { background: light-dark(#aceebb, #0f5323); color: inherit; border-radius: 2px; }
p.wrong { color: light-dark(#cf222e, #ff8f88); margin: 0.2em 0; } p.where { margin: 0.2em 0; }`;

const status = (passed: boolean): string => (passed ? "passed" : "failed");

const checkColumns: readonly Column<SuiteCheck>[] = [
  { title: "Result", key: "status", value: ({ passed }) => status(passed) },
  { title: "Part", key: "group", value: ({ group }) => groupTitles[group] },
  { title: "Check", key: "check", value: ({ name }) => name },
  { title: "Details", key: "message", value: ({ message }) => message },
];

function answerColumns(against: string | null): Column<SuiteAnswer>[] {
  return [
    { title: "Result", key: "status", value: ({ passed }) => status(passed) },
    { title: "Prompt", key: "prompt", value: ({ prompt }) => prompt },
    { title: "Answer", key: "answer", value: ({ answer }) => answer },
    ...(against === null
      ? []
      : [{ title: "Against", key: "against", value: (row: SuiteAnswer) => row.against ?? null }]),
    { title: "Problems", key: "problems", value: ({ problems }) => problems.join("\n") || null },
  ];
}

/** Returns a table whose cells with a result have the class "passed" or "failed". */
function resultTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  return htmlTable(columns, rows).replace(/<td class="status">(passed|failed)</g, '<td class="status $1">$1<');
}

function maskHtml({ where, tokens, learned, parts, problems }: MaskedExample): string {
  const text = parts.map((part) => (part.learned ? `<mark>${escapeHtml(part.text)}</mark>` : escapeHtml(part.text)));
  const wrong = problems.map((problem) => `<p class="wrong">${escapeHtml(problem)}</p>`);
  const head = `<p class="where">${escapeHtml(where)}: ${learned} of ${tokens} tokens are learned</p>`;
  return `${head}${wrong.join("")}<pre class="mask">${text.join("")}</pre>`;
}

/** Returns a report as an HTML page that loads no other files, in the reader's light or dark mode. */
export function suitePage(report: SuiteReport): string {
  const { checks, answers, masks, comparison, against } = report;
  const measured = measureRows(report);
  const tables = [
    { heading: "Checks", html: resultTable(checkColumns, checks) },
    ...(measured.length > 0 ? [{ heading: "Measurements", html: htmlTable(measureColumns(report), measured) }] : []),
    ...(comparison ? [{ heading: "Comparison", html: htmlTable(differenceColumns, comparison.rows) }] : []),
    ...(answers.length > 0 ? [{ heading: "Answers", html: resultTable(answerColumns(against), answers) }] : []),
    ...(masks.length > 0 ? [{ heading: "Loss masks", html: masks.map(maskHtml).join("\n") }] : []),
  ];
  const notes = [
    ...(comparison
      ? [
          `The differences come from a paired bootstrap of ${comparison.resamples} resamples (seed ${comparison.seed}). The p-values are two-sided and corrected by Holm's method; a difference counts at a corrected p of at most ${comparison.alpha}.`,
        ]
      : []),
    ...(masks.length > 0 ? ["Tokens with a coloured background count in the loss."] : []),
  ];
  return htmlPage({ title: report.name, paragraphs: [headline(report)], tables, charts: [], notes, style });
}
