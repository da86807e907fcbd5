import { describe, expect, test } from "vitest";
import type { DataRecord } from "./dataRecord.ts";
import { jsonArray, jsonLines } from "./jsonRecords.ts";

const encoder = new TextEncoder();
/** Yields the bytes of a text in chunks of `size`. */
async function* piecesOf(text: string | Uint8Array, size: number) {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

type Reader = typeof jsonArray;
const records = (read: Reader, text: string | Uint8Array, size: number) =>
  Array.fromAsync(read(piecesOf(text, size), "d"));
/** Returns the values of records, or the start of their errors. */
const told = (found: readonly DataRecord[]) =>
  found.map(({ where, value, error }) => [where, error ? `! ${error.message.split(" (")[0]}` : value]);

const sizes = [1, 2, 3, 5, 1000];

describe("an array of JSON", () => {
  const cases: [name: string, text: string, expected: unknown[]][] = [
    ["values of every kind", '[1,"a",null,true,[2],{"b":3},-0.5]', [1, "a", null, true, [2], { b: 3 }, -0.5]],
    ["white space of every kind", '\t\r\n [ \t1\r\n,\t "a b" \r\n ] \r\n\t', [1, "a b"]],
    [
      "brackets, commas, quotes and escapes in strings",
      '["],[{","\\"]","\\\\","\\\\\\"",1]',
      ["],[{", '"]', "\\", '\\"', 1],
    ],
    ["an empty string first", '["","a"]', ["", "a"]],
    ["an escape first", '["\\"",1]', ['"', 1]],
    ["an escaped letter", '["\\n","a"]', ["\n", "a"]],
    ["nested lists and records", '[[[1],{"a":[{}]}],{"b":{"c":[]}},[]]', [[[1], { a: [{}] }], { b: { c: [] } }, []]],
    ["letters of several bytes", '["é","漢",{"ü":"\u{1f600}"}]', ["é", "漢", { ü: "\u{1f600}" }]],
    ["one item", "[1]", [1]],
    ["no item", "[]", []],
    ["no item, with white space", " [ \n ] ", []],
  ];

  test.each(cases)("%s, with the place of each item", async (_, text, expected) => {
    for (const size of sizes) {
      for (const mark of ["", "\uFEFF"]) {
        const bytes = encoder.encode(mark + text);
        const found = await records(jsonArray, bytes, size);
        expect(found.map(({ value }) => value)).toEqual(expected);
        for (const { span, where, value } of found) {
          const { offset, length } = span as { offset: number; length: number };
          const own = new TextDecoder().decode(bytes.subarray(offset, offset + length));
          expect(JSON.parse(own)).toEqual(value);
          const before = new TextDecoder().decode(bytes.subarray(0, offset));
          expect(where).toBe(`d:${before.split("\n").length}`);
        }
      }
    }
  });

  test.each<[string, unknown[]]>([
    [
      "[,1]",
      [
        ["d:1", "! not valid JSON"],
        ["d:1", 1],
      ],
    ],
    [
      "[1,]",
      [
        ["d:1", 1],
        ["d:1", "! not valid JSON"],
      ],
    ],
    [
      "[1,\n\n,2]",
      [
        ["d:1", 1],
        ["d:3", "! not valid JSON"],
        ["d:3", 2],
      ],
    ],
    ["[1 2]", [["d:1", "! not valid JSON"]]],
    [
      "[1,\n2",
      [
        ["d:1", 1],
        ["d:2", "! not valid JSON"],
      ],
    ],
    [
      "[1,\n",
      [
        ["d:1", 1],
        ["d:2", "! not valid JSON"],
      ],
    ],
    [
      "[1,\n[2]\n",
      [
        ["d:1", 1],
        ["d:2", "! not valid JSON"],
      ],
    ],
    ["", [["d:1", "! not valid JSON"]]],
    ["[}]", [["d:1", "! not valid JSON"]]],
    [
      "[},1]",
      [
        ["d:1", "! not valid JSON"],
        ["d:1", 1],
      ],
    ],
    ['["a]', [["d:1", "! not valid JSON"]]],
    ['["a\\"]', [["d:1", "! not valid JSON"]]],
  ])("%j is told, item by item", async (text, expected) => {
    for (const size of sizes) expect(told(await records(jsonArray, text, size))).toEqual(expected);
  });

  test("an item that is missing has the place of the comma behind it", async () => {
    const pieces = piecesOf("[1,\n ,2]", 3);
    const inner = await Array.fromAsync(jsonArray(pieces, "d"));
    expect(inner.map(({ span }) => span)).toEqual([{ offset: 1, length: 1 }, undefined, { offset: 6, length: 1 }]);
  });

  test.each<[string, string | Uint8Array]>([
    ["a record", '{"a": 1}'],
    ["a letter", "a"],
    ["a closed bracket", "]"],
    ["three bytes of a mark, and a letter", "\uFEFFa"],
    ["a fourth byte above ASCII", Uint8Array.of(0xef, 0xbb, 0xbf, 0xef, 91, 93)],
    ["the first byte above ASCII's last", Uint8Array.of(0x7f, 91, 93)],
  ])("%s before the array is refused", async (_, text) => {
    for (const size of sizes) {
      await expect(records(jsonArray, text, size)).rejects.toThrow("d: expected a JSON array of examples");
    }
  });

  test("bytes from 128 on may come before the array, three of them", async () => {
    for (const bytes of [Uint8Array.of(0x80, 91, 93), Uint8Array.of(0xef, 0xbb, 0x80, 91, 93)]) {
      for (const size of sizes) expect(await records(jsonArray, bytes, size)).toEqual([]);
    }
  });

  test.each(["[1]\n2", "[1]\n[2]", "[]\n]", "[1]\n\uFEFF"])("%j has more behind the array", async (text) => {
    for (const size of sizes) {
      await expect(records(jsonArray, text, size)).rejects.toThrow(
        "d:2: unexpected text after the end of the JSON array",
      );
    }
  });
});

describe("lines of JSON", () => {
  test("blank lines are passed over, of every kind of white space", async () => {
    for (const size of sizes) {
      const found = await records(jsonLines, '1\n\t\n \r\n\r\n"é"\r\n \t [2]\n', size);
      expect(told(found)).toEqual([
        ["d:1", 1],
        ["d:5", "é"],
        ["d:6", [2]],
      ]);
      expect(found.map(({ span }) => span)).toEqual([
        { offset: 0, length: 1 },
        { offset: 9, length: 4 },
        { offset: 15, length: 6 },
      ]);
    }
  });

  test("a line of another control character is no blank line", async () => {
    for (const code of [8, 11, 12, 14, 31, 33]) {
      const [found] = await records(jsonLines, `${String.fromCharCode(code)}\n`, 9);
      expect(found.error?.message, `code ${code}`).toContain("not valid JSON");
    }
  });

  test("a last line without an end may be cut off", async () => {
    const [cut] = await records(jsonLines, '{"a', 9);
    expect(cut.error?.message).toContain("where the file ends: is it cut off?");
    const [whole] = await records(jsonLines, '{"a\n', 9);
    expect(whole.error?.message).not.toContain("cut off");
    expect(whole.where).toBe("d:1");
  });
});
