import { parse } from "csv-parse/browser/esm/sync";
import type { JsonRecord } from "./jsonRecords.ts";

/** The rows of a table as records, by the names in its first line. Errors name file and line. */
export function* tableRecords(text: string, name: string, delimiter: "," | "\t"): Generator<JsonRecord> {
  for (const { record, info } of rowsOf(text, name, delimiter)) yield { value: record, where: `${name}:${info.lines}` };
}

interface Row {
  record: Record<string, string>;
  /** `lines` counts those up to the row's end. */
  info: { lines: number };
}

function rowsOf(text: string, name: string, delimiter: string): Row[] {
  const options = { columns: true, bom: true, skip_empty_lines: true, info: true, delimiter } as const;
  try {
    return parse(text, options) as unknown as Row[];
  } catch (error) {
    const { message, lines } = error as Error & { lines?: number };
    throw new Error(`${name}${lines === undefined ? "" : `:${lines}`}: ${message}`, { cause: error });
  }
}
