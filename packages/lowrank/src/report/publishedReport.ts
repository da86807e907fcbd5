import { htmlPage } from "./page/htmlPage.ts";
import { type Agreement, agreement, omittedRows, publishedNumbers } from "./publishedNumbers.ts";
import type { ReportFormat } from "./reportFormat.ts";
import { type Column, csvTable, htmlTable, jsonRows, markdownTable, textTable } from "./table.ts";

/** Number from a paper or table, next to the number that Lowrank computes. */
interface Row {
  source: string;
  what: string;
  published: string;
  computed: number;
  agreement: Agreement;
  reading: string | null;
}

const columns: readonly Column<Row>[] = [
  { title: "source", key: "source", value: ({ source }) => source },
  { title: "what", key: "what", value: ({ what }) => what },
  { title: "published", key: "published", value: ({ published }) => published },
  { title: "computed", key: "computed", value: ({ computed }) => computed, show: shown },
  { title: "agreement", key: "agreement", value: ({ agreement }) => agreement },
  { title: "reading", key: "reading", value: ({ reading }) => reading },
];

function shown(computed: number): string {
  return computed.toLocaleString("en-US", { maximumFractionDigits: 4 });
}

/** Compares values of papers and of PEFT's tables with computed ones. Values that cannot be computed come last. */
export async function publishedReport(format: ReportFormat): Promise<string> {
  const all: Row[] = [];
  for (const { source, what, published, compute, reading = null } of publishedNumbers) {
    const computed = await compute();
    all.push({ source, what, published, computed, agreement: agreement(published, computed), reading });
  }
  const good = all.filter(({ agreement }) => agreement !== "differs");
  const bad = all.filter(({ agreement }) => agreement === "differs");
  const head = `${good.length} of ${all.length} published numbers agree: to the digit, or to the digits that were printed (rounded or cut).`;
  const mismatches = "Differences and their reasons";
  const missing = "Left out";
  switch (format) {
    case "json":
      return JSON.stringify({ numbers: jsonRows(columns, all), omittedRows }, null, 2);
    case "csv":
      return csvTable(columns, all).join("\n");
    case "markdown": {
      const tables = [...markdownTable(columns, good), "", `${mismatches}:`, "", ...markdownTable(columns, bad)];
      return [head, "", ...tables, "", `${missing}:`, "", ...omittedRows.map((note) => `- ${note}`)].join("\n");
    }
    case "html":
      return htmlPage({
        title: "Published numbers",
        paragraphs: [head],
        tables: [
          { heading: "Values that agree", html: htmlTable(columns, good) },
          { heading: mismatches, html: htmlTable(columns, bad) },
        ],
        charts: [],
        notes: omittedRows.map((note) => `${missing}: ${note}`),
      });
    case "table": {
      const tables = [...textTable(columns, good), "", `${mismatches}:`, "", ...textTable(columns, bad)];
      return [head, "", ...tables, "", `${missing}:`, ...omittedRows].join("\n");
    }
  }
}
