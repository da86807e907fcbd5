import { describe, expect, test } from "vitest";
// The pickles are written by conformance/python/pickles.py.
import golden from "./pickles.gen.json" with { type: "json" };
import { Call, Global, type Pickled, Storage, unpickle } from "./unpickle.ts";

const only = (name: string) => name === "collections.OrderedDict" || name === "m.make";
const read = (...bytes: number[]) => unpickle(Uint8Array.from(bytes), only, "p");
const [stop, none, mark] = [0x2e, 0x4e, 0x28];
const codes = (text: string) => [...new TextEncoder().encode(text)];
const make = codes("cm\nmake\n");

/** Converts a value to JSON types. */
function plain(value: Pickled): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

test.each(golden)("$name: the values are those of Python", ({ json, pickle }) => {
  const bytes = Uint8Array.from(atob(pickle), (c) => c.charCodeAt(0));
  expect(plain(unpickle(bytes, only, "p"))).toEqual(JSON.parse(json));
  // A view into a larger buffer must be parsed the same way.
  const part = Uint8Array.of(7, 7, 7, ...bytes).subarray(3);
  expect(plain(unpickle(part, only, "p"))).toEqual(JSON.parse(json));
  for (const end of [1, 2, 5, bytes.length >> 1, bytes.length - 1]) {
    expect(() => unpickle(bytes.subarray(0, end), only, "p")).toThrow(
      /^p: .*; the file was not read. Save the adapter/,
    );
  }
});

describe("instructions", () => {
  test.each<[string, number[], Pickled]>([
    ["a signed integer of four bytes", [0x4a, 0xfe, 0xff, 0xff, 0xff, stop], -2],
    ["an integer of two bytes", [0x4d, 0x02, 0x01, stop], 258],
    ["a long without bytes", [0x8a, 0, stop], 0],
    ["a long of one byte", [0x8a, 1, 0xff, stop], -1],
    ["a long of two bytes", [0x8a, 2, 0xff, 0x00, stop], 255],
    ["a long of nine bytes", [0x8a, 9, 5, 0, 0, 0, 0, 0, 0, 0, 0, stop], 5],
    ["a value under another that is dropped", [0x4b, 1, none, 0x30, stop], 1],
    ["the memo, by an index of one byte", [0x4b, 7, 0x71, 200, 0x30, 0x68, 200, stop], 7],
    ["the memo, by an index of four bytes", [0x4b, 7, 0x72, 1, 2, 0, 0, 0x30, 0x6a, 1, 2, 0, 0, stop], 7],
    ["the memo, counted", [0x4b, 7, 0x94, 0x4b, 8, 0x94, 0x68, 0, stop], 7],
    ["the memo, counted on", [0x4b, 7, 0x94, 0x4b, 8, 0x94, 0x4b, 9, 0x68, 1, stop], 8],
    ["the memo of null", [none, 0x94, 0x4b, 8, 0x68, 0, stop], null],
    ["one item", [0x5d, 0x4b, 3, 0x61, stop], [3]],
    ["items above the last mark", [mark, 0x5d, mark, 0x4b, 3, 0x4b, 4, 0x65, 0x74, stop], [[3, 4]]],
    ["one entry", [0x7d, 0x4b, 1, 0x4b, 2, 0x73, stop], new Map([[1, 2]])],
    [
      "entries",
      [0x7d, mark, none, none, 0x88, 0x89, 0x75, stop],
      new Map<Pickled, Pickled>([
        [null, null],
        [true, false],
      ]),
    ],
    ["attributes of a dictionary", [0x7d, 0x4b, 3, 0x62, stop], new Map()],
    ["a name", [...make, stop], new Global("m.make")],
    ["a name from texts", [0x8c, 1, ...codes("m"), 0x8c, 4, ...codes("make"), 0x93, stop], new Global("m.make")],
    ["a call", [...make, 0x4b, 3, 0x85, 0x52, stop], new Call("m.make", [3])],
    ["a call without arguments", [...make, 0x29, 0x52, stop], new Call("m.make", [])],
    ["an empty dictionary", [...codes("ccollections\nOrderedDict\n"), 0x29, 0x52, stop], new Map()],
    [
      "a dictionary from a list",
      [...codes("ccollections\nOrderedDict\n"), 0x5d, 0x85, 0x52, stop],
      new Call("collections.OrderedDict", [[]]),
    ],
    ["data outside", [0x4b, 1, 0x4b, 2, 0x86, 0x51, stop], new Storage([1, 2])],
    ["a frame", [0x80, 4, 0x95, 1, 2, 3, 4, 5, 6, 7, 8, none, stop], null],
  ])("%s", (_name, bytes, expected) => {
    const found = read(...bytes);
    expect(found).toEqual(expected);
    if (expected instanceof Object) expect(found?.constructor).toBe(expected.constructor);
  });

  const end = "; the file was not read. Save the adapter as safetensors";
  test.each<[number[], string]>([
    [[0x05], "instruction 0x05 at byte 0 is not allowed, since a file of tensors does not need it"],
    [[none, 0x1f], "instruction 0x1f at byte 1 is not allowed, since a file of tensors does not need it"],
    [[0x80], "the pickle ends within a value at byte 1"],
    [[none], "the pickle ends within a value at byte 1"],
    [[0x4d, 1], "the pickle ends within a value at byte 1"],
    [[0x8c, 3, 0x61, 0x62], "the pickle ends within a value at byte 2"],
    [[0x8c, 1, 0xff, stop], "the text before byte 3 is not UTF-8"],
    [[...codes("cm")], "the pickle ends within a name at byte 1"],
    [[...codes("cm\nx")], "the pickle ends within a name at byte 3"],
    [[stop], "a value is missing before byte 1"],
    [[mark, stop], "a value is missing before byte 2"],
    [[0x4b, 1, 0x86, stop], "a value is missing before byte 3"],
    [[0x74, stop], "a MARK is missing before byte 1"],
    [[0x68, 3, stop], "memo entry 3 is read before it is written"],
    [[0x71, 3, stop], "a value is missing before byte 2"],
    [[...codes("cos\nsystem\n"), stop], "it asks for os.system, which no tensor needs"],
    [[none, 0x29, 0x52, stop], "a call before byte 3 does not call a function"],
    [[...make, none, 0x52, stop], `a call before byte ${make.length + 2} does not call a function`],
    [[0x5d, none, none, 0x73, stop], "items before byte 4 belong to no dictionary"],
    [[0x7d, mark, none, 0x75, stop], "items before byte 4 belong to no dictionary"],
    [[0x7d, none, 0x61, stop], "items before byte 3 belong to no list"],
    [[0x5d, none, 0x62, stop], "attributes before byte 3 are set on something that is no dictionary"],
    [[none, 0x51, stop], "the persistent id before byte 2 has an unknown form"],
    [[0x8a, 7, 0, 0, 0, 0, 0, 0, 0x20, stop], "the number before byte 9 is too large"],
    [[0x8a, 7, 0, 0, 0, 0, 0, 0, 0xe0, stop], "the number before byte 9 is too large"],
  ])("%j is refused", (bytes, message) => {
    expect(() => read(...bytes)).toThrow(new Error(`p: ${message}${end}`));
  });
});
