import { parquetHeader } from "hyparquet/src/column.js";
import type { ColumnChunk } from "./parquetColumns.ts";
import { checkRuns, mostValues } from "./parquetRuns.ts";

/**
 * Checks a column's pages, which start at offset `at` in `bytes`. Throws unless they end inside of the column and
 * contain as many values as the metadata gives. Without this check, the library would allocate memory for any number of
 * values that a page claims.
 */
export function checkPages(bytes: ArrayBuffer, at: number, column: ColumnChunk): void {
  const { path, length, values } = column;
  const reader = { view: new DataView(bytes, at, length), offset: 0 };
  let found = 0;
  while (found < values && reader.offset < length - 1) {
    const page = parquetHeader(reader);
    const data = page.data_page_header ?? page.data_page_header_v2;
    // The count has type `unknown`, since fields of a damaged header may be lists, structures or bigints.
    const count: unknown = (data ?? page.dictionary_page_header)?.num_values ?? 0;
    if (typeof count !== "number" || !(count >= 0 && count <= mostValues)) {
      const said = typeof count === "number" ? `${count} values` : "an invalid number of values";
      throw new Error(`a page header of column ${path} states ${said}; at most ${mostValues} are supported`);
    }
    if (data) found += count;
    const size: unknown = page.compressed_page_size;
    const end = reader.offset + (typeof size === "number" && size >= 0 ? size : Number.NaN);
    if (!(end <= length)) {
      throw new Error(`a page of column ${path} ends after the column's ${length} bytes`);
    }
    checkRuns(new Uint8Array(bytes, at + reader.offset, end - reader.offset), page, column);
    reader.offset = end;
  }
  if (found !== values)
    throw new Error(`the pages of column ${path} have ${found} values, but the footer states ${values}`);
}
