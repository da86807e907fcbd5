import { expect, test } from "vitest";
import { padRows } from "./padRows.ts";

const rows = [{ inputIds: [5, 6, 7] }, { inputIds: [8] }];

test("fills rows on the right to the longest one", () => {
  const padded = padRows(rows, { padTokenId: 9 });
  expect(padded).toEqual({
    inputIds: Int32Array.of(5, 6, 7, 8, 9, 9),
    attentionMask: Uint8Array.of(1, 1, 1, 1, 0, 0),
    batchSize: 2,
    length: 3,
    truncatedExamples: 0,
    truncatedTokens: 0,
  });
});

test.each<[number, number]>([
  [1, 3],
  [2, 4],
  [3, 3],
  [4, 4],
  [5, 5],
])("a multiple of %s gives a length of %s", (padToMultipleOf, length) => {
  const { attentionMask, inputIds, ...rest } = padRows(rows, { padTokenId: 0, padToMultipleOf });
  expect(rest.length).toBe(length);
  expect(inputIds).toHaveLength(2 * length);
  expect([...attentionMask.subarray(0, length)].filter((one) => one === 1)).toHaveLength(3);
});

test("cuts the end of longer rows, and counts what they lose", () => {
  const cut = padRows([...rows, { inputIds: [1, 2, 3, 4, 5] }], { padTokenId: 0, maxLength: 3 });
  expect(cut.length).toBe(3);
  expect([...cut.inputIds]).toEqual([5, 6, 7, 8, 0, 0, 1, 2, 3]);
  expect([cut.truncatedExamples, cut.truncatedTokens]).toEqual([1, 2]);
  const more = padRows(rows, { padTokenId: 0, maxLength: 1 });
  expect([more.length, more.truncatedExamples, more.truncatedTokens]).toEqual([1, 1, 2]);
  // The length is rounded up after the truncation.
  expect(padRows(rows, { padTokenId: 0, maxLength: 2, padToMultipleOf: 4 }).length).toBe(4);
});

test("names the adapters of all rows or of none", () => {
  const named = rows.map((row, i) => ({ ...row, adapterName: "ab"[i] }));
  expect(padRows(named, { padTokenId: 0 }).adapterNames).toEqual(["a", "b"]);
  expect("adapterNames" in padRows(rows, { padTokenId: 0 })).toBe(false);
  expect(() => padRows([named[0], rows[1]], { padTokenId: 0 })).toThrow(
    "collate: only some examples have an adapterName, example 1 has none; give all examples an adapterName, or none",
  );
  expect(() => padRows([rows[0], named[1]], { padTokenId: 0 })).toThrow(
    "collate: only some examples have an adapterName, example 0 has none; give all examples an adapterName, or none",
  );
});

test("refuses no examples, and limits below 1", () => {
  expect(() => padRows([], { padTokenId: 0 })).toThrow("there are no examples");
  expect(() => padRows(rows, { padTokenId: 0, maxLength: 0 })).toThrow("maxLength is 0");
  expect(() => padRows(rows, { padTokenId: 0, padToMultipleOf: 0 })).toThrow("padToMultipleOf is 0");
  expect(() => padRows(rows, { padTokenId: 0, padToMultipleOf: 1.5 })).toThrow("padToMultipleOf is 1.5");
});
