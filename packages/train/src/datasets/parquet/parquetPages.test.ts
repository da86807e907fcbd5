import { expect, test } from "vitest";
import { checkPages } from "./parquetRecords.ts";

/** Encodes a number in Thrift's compact protocol. */
function varint(value: number): number[] {
  const zigzag = 2 * value;
  const groups = [];
  for (let rest = zigzag; rest > 0 || groups.length === 0; rest = Math.floor(rest / 128)) groups.push(rest % 128);
  return groups.map((group, i) => (i < groups.length - 1 ? group + 128 : group));
}

/** A data page with one byte of content whose header claims `values` values and `bytes` bytes. */
const page = (values: number, bytes = 1) => [
  ...[0x15, 0, 0x15, ...varint(bytes), 0x15, ...varint(bytes)],
  ...[0x2c, 0x15, ...varint(values), 0x15, 0, 0x15, 6, 0x15, 6, 0, 0, 7],
];

/** A page whose number of values has another field type. */
const countless = (...count: number[]) => [
  0x15,
  0,
  0x15,
  2,
  0x15,
  2,
  0x2c,
  ...count,
  0x15,
  0,
  0x15,
  6,
  0x15,
  6,
  0,
  0,
  7,
];

/** Checks a column of these pages whose metadata claims `values` values. */
function check(pages: number[], values: number): void {
  const before = [1, 2, 3];
  const { buffer } = Uint8Array.from([...before, ...pages]);
  const flat = { codec: "UNCOMPRESSED", type: "INT32", maxLevels: [0, 0] } as const;
  checkPages(buffer, before.length, { path: "a.b", start: 0, length: pages.length, values, ...flat });
}

test("pages that have what the metadata says", () => {
  check([...page(3), ...page(2)], 5);
  // An empty page, and the page with the most values.
  check([...page(0), ...page(3)], 3);
  check(page(2 ** 23), 2 ** 23);
  // Bytes after the last value are not read as a page.
  check([...page(3), 0x15, 2, 0x15, 2], 3);
  check(page(3, 0).slice(0, -1), 3);
});

test.each<[string, number[], number, string]>([
  ["values by the million", page(2 ** 24), 2 ** 24, "column a.b states 16777216 values; at most 8388608"],
  ["fewer values", [...page(3), ...page(1)], 5, "the pages of column a.b have 4 values, but the footer states 5"],
  ["more values", [...page(3), ...page(3)], 5, "have 6 values, but the footer states 5"],
  ["a page beyond the column", page(3, 100), 3, "ends after the column's"],
  ["a structure for a count", countless(0x1c, 0x15, 2, 0), 3, "an invalid number of values; at most 8388608"],
  ["a large integer for a count", countless(0x16, 6), 3, "an invalid number of values; at most 8388608"],
  ["a byte that is no page", [...page(3), 0], 5, "have 3 values, but the footer states 5"],
  ["two bytes that are no page", [...page(3), 0, 0], 5, "a page of column a.b ends after the column's"],
  ["a page without a count", [...page(3).slice(0, 6), 0x2c, 0x25, 0, 0x15, 6, 0x15, 6, 0, 0, 7], 1, "have 0 values"],
  ["a count below 0", [...page(3).slice(0, 8), 1, ...page(3).slice(9)], 3, "states -1 values; at most 8388608"],
  ["bytes below 0", [...page(3).slice(0, 5), 1, ...page(3).slice(6)], 3, "ends after the column's"],
  ["a list for the bytes of a page", [0x15, 0, 0x15, 2, 0x19, 0x15, 2, ...page(3).slice(6)], 3, "ends after"],
])("%s", (_what, pages, values, message) => {
  expect(() => check(pages, values)).toThrow(message);
});
