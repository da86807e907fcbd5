import { describe, expect, test } from "vitest";
import {
  byteText,
  type Column,
  csvTable,
  digits,
  formatSeconds,
  htmlTable,
  jsonRows,
  markdownTable,
  textTable,
} from "./table.ts";

interface Row {
  name: string;
  count: number | null;
}

const columns: Column<Row>[] = [
  { title: "name", key: "name", value: ({ name }) => name },
  { title: "how many", key: "count", value: ({ count }) => count },
];
const rows: Row[] = [
  { name: 'a "b", c | <d>', count: 1234567 },
  { name: "e", count: null },
];

describe("a table", () => {
  test("as text, numbers to the right", () => {
    expect(textTable(columns, rows)).toEqual([
      "name             how many",
      'a "b", c | <d>  1,234,567',
      "e                       -",
    ]);
  });

  test("as Markdown, where bars and markup are text", () => {
    expect(markdownTable(columns, rows)).toEqual([
      "| name | how many |",
      "| --- | ---: |",
      '| a "b", c \\| \\<d\\> | 1,234,567 |',
      "| e | - |",
    ]);
  });

  test("as CSV, with plain numbers and quotes", () => {
    expect(csvTable(columns, rows)).toEqual(["name,count", '"a ""b"", c | <d>",1234567', "e,"]);
  });

  test("as HTML, where signs are text", () => {
    const html = htmlTable(columns, rows);
    expect(html).toContain(
      '<td class="name">a &quot;b&quot;, c | &lt;d&gt;</td><td class="number" data-value="1234567">1,234,567</td>',
    );
  });

  test("as objects", () => {
    expect(jsonRows(columns, rows)).toEqual([
      { name: 'a "b", c | <d>', count: 1234567 },
      { name: "e", count: null },
    ]);
  });
});

test("numbers are whole, with commas", () => {
  expect(textTable(columns, [{ name: "a", count: 1234.56 }])[1]).toBe("a        1,235");
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1 kB"],
  [36_715_216, "36.7 MB"],
  [26_953_662_464, "27.0 GB"],
  [4.2e15, "4200.0 TB"],
])("%d bytes: %s", (bytes, text) => {
  expect(byteText(bytes)).toBe(text);
});

test.each([
  [100, "100"],
  [0.062205, "0.06221"],
  [0.0009498, "0.0009498"],
])("%d in four digits: %s", (value, text) => {
  expect(digits(value)).toBe(text);
});

test("numbers with their spread stand on the right, as others do", () => {
  const loss: Column<string> = { title: "loss", key: "loss", value: (text) => text };
  expect(textTable([loss], ["0.1 ±0.05", "0.25 ±0.1"])).toEqual(["     loss", "0.1 ±0.05", "0.25 ±0.1"]);
  expect(textTable([loss], ["0.1 ±0.05", "12.25 ±0.1"])[1]).toBe(" 0.1 ±0.05");
  expect(textTable([loss], ["0.25", "12.5"])[1]).toBe("0.25");
  expect(htmlTable([loss], ["0.1 ±0.05"])).toContain('<td class="number">0.1 ±0.05</td>');
});

test.each([
  [0, "0.0 s"],
  [0.04, "0.0 s"],
  [9.44, "9.4 s"],
  [9.5, "10 s"],
  [10.4, "10 s"],
  [59.4, "59 s"],
  [59.5, "1 min 00 s"],
  [60, "1 min 00 s"],
  [61, "1 min 01 s"],
  [119.6, "2 min 00 s"],
  [3599.4, "59 min 59 s"],
  [3599.5, "1 h 00 min"],
  [3600, "1 h 00 min"],
  [3659, "1 h 00 min"],
  [3660, "1 h 01 min"],
  [7384, "2 h 03 min"],
  [360_000, "100 h 00 min"],
])("%d seconds are %s", (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});
