import { expect, it, test } from "vitest";
import { findDuplicateKey } from "./findDuplicateKey.ts";
import { safetensorsByteLength } from "./safetensorsDType.ts";
import { quoteJson } from "./safetensorsError.ts";

it.each([
  ["{}", undefined],
  ['{"a":1,"b":2}', undefined],
  ['{"":1,"":2}', ""],
  ['{"a\\"":1,"a\\"":2}', 'a"'],
  ['{"a\\\\":1,"a\\\\":2}', "a\\"],
  ['{"a" \t\n\r:1,"a":2}', "a"],
  ['{"a":{},"a":2}', "a"],
  ['{"a":[1],"a":2}', "a"],
  ['{"a":[{"b":1},{"b":1}],"b":"b"}', undefined],
  ['{"a":["b","b",{"c":1}],"b":{"c":2,"c":3}}', "c"],
  ['["a","a"]', undefined],
  ['"a"', undefined],
])("%s has the key %s twice", (json, key) => {
  JSON.parse(json);
  expect(findDuplicateKey(json)).toBe(key);
});

const digits = (count: number) => Array.from({ length: count }, (_, i) => i);

test.each<[unknown, string]>([
  [digits(8), "[0,1,2,3,4,5,6,7]"],
  [digits(9), "[0,1,2,3,4,5,6,7,...]"],
  [[null, [1], {}, "x"], '[null,...,...,"x"]'],
  [{ a: 1 }, "an object"],
  [null, "null"],
  [undefined, "missing"],
  ["x".repeat(198), `"${"x".repeat(198)}"`],
  ["x".repeat(199), `"${"x".repeat(196)}...`],
])("messages quote %j as %s", (value, quoted) => {
  expect(quoteJson(value)).toBe(quoted);
});

test.each([
  ["BOOL", 1],
  ["F4", 0.5],
  ["F8_E4M3", 1],
  ["I16", 2],
  ["U32", 4],
  ["I64", 8],
  ["U64", 8],
  ["F64", 8],
  ["C64", 8],
] as const)("%s takes %s bytes", (dtype, bytes) => {
  expect(safetensorsByteLength(dtype, [6])).toBe(6 * bytes);
});
