import type { FileMetaData } from "hyparquet";
import { expect, test } from "vitest";
import { columnChunks } from "./parquetColumns.ts";

interface Column {
  path?: string[];
  start?: number;
  dictionary?: number;
  length?: number;
  values?: number;
}

/** Returns metadata of one group of three rows, with optional columns of these names in the schema. */
function metadata(names: string[], columns: (Column | undefined)[]): FileMetaData {
  const schema = [
    { name: "root", num_children: names.length },
    ...names.map((name) => ({ name, type: "INT32", repetition_type: "OPTIONAL" })),
  ];
  const groups = columns.map((column, i) => {
    if (!column) return {};
    const { path = [names[i]], start = 10, dictionary, length = 20, values = 3 } = column;
    const size = { data_page_offset: BigInt(start), total_compressed_size: BigInt(length), num_values: BigInt(values) };
    const places = dictionary === undefined ? {} : { dictionary_page_offset: BigInt(dictionary) };
    return { meta_data: { path_in_schema: path, codec: "SNAPPY", type: "INT32", ...size, ...places } };
  });
  return { schema, row_groups: [{ columns: groups, num_rows: 3n }] } as unknown as FileMetaData;
}

const chunk = { path: "a", start: 10, length: 20, values: 3, codec: "SNAPPY", type: "INT32", maxLevels: [0, 1] };

test.each<[string, Column, object]>([
  ["a column", {}, chunk],
  ["a dictionary before the pages", { dictionary: 4 }, { ...chunk, start: 4 }],
  ["a dictionary at 0, which is none", { dictionary: 0 }, chunk],
  ["a dictionary after the pages", { dictionary: 12 }, chunk],
  ["pages at the start of the file", { start: 0 }, { ...chunk, start: 0 }],
  ["no bytes", { length: 0 }, { ...chunk, length: 0 }],
  ["all bytes up to the end", { length: 90 }, { ...chunk, length: 90 }],
  ["more values than rows", { values: 7 }, { ...chunk, values: 7 }],
])("%s", (_, column, expected) => {
  expect(columnChunks(metadata(["a"], [column]), 100)).toEqual([expected]);
});

const beyond = "the footer places column a outside the file's 100 bytes";

test.each<[string, string[], (Column | undefined)[], string]>([
  ["a place before the file", ["a"], [{ start: -1 }], beyond],
  ["a dictionary before the file", ["a"], [{ dictionary: -4 }], beyond],
  ["a negative length", ["a"], [{ length: -1 }], beyond],
  ["one byte beyond the file", ["a"], [{ length: 91 }], beyond],
  ["a start beyond the file", ["a"], [{ start: 101, length: 0 }], beyond],
  ["fewer values than rows", ["a"], [{ values: 2 }], "its row group 0 has 3 rows, but only 2 values of column a"],
  ["a name twice", ["c", "a", "b", "a"], [], "its schema has two columns named a"],
  ["a column too few", ["a", "b"], [{}], "its row group 0 has the columns a; the schema has a, b"],
  ["another column", ["a"], [{ path: ["b"] }], "its row group 0 has the columns b; the schema has a"],
  ["a column without metadata", ["a"], [undefined], "its row group 0 has the columns ; the schema has a"],
])("%s is refused", (_, names, columns, message) => {
  expect(() => columnChunks(metadata(names, columns), 100)).toThrow(message);
});
