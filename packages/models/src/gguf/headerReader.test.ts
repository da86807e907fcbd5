import { expect, test } from "vitest";
import { HeaderCutOff, HeaderReader } from "./headerReader.ts";

/** Returns the little-endian bytes of integers with the given sizes. */
const bytes = (...parts: (readonly [value: number | bigint, size: number])[]) =>
  Uint8Array.from(
    parts.flatMap(([value, size]) =>
      Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n)),
    ),
  );
const text = (value: string) => new TextEncoder().encode(value);
const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
const floats = (value: number, size: 4 | 8) => {
  const view = new DataView(new ArrayBuffer(size));
  if (size === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return new Uint8Array(view.buffer);
};

// The type ids are from GGUF's specification.
const values: [string, number, Uint8Array, unknown][] = [
  ["UINT8", 0, bytes([200, 1]), 200],
  ["INT8", 1, bytes([-3, 1]), -3],
  ["UINT16", 2, bytes([60_001, 2]), 60_001],
  ["INT16", 3, bytes([-30_001, 2]), -30_001],
  ["UINT32", 4, bytes([4_000_000_001, 4]), 4_000_000_001],
  ["INT32", 5, bytes([-2_000_000_001, 4]), -2_000_000_001],
  ["FLOAT32", 6, floats(1.5e-3, 4), Math.fround(1.5e-3)],
  ["BOOL", 7, bytes([1, 1]), true],
  ["BOOL", 7, bytes([0, 1]), false],
  ["BOOL", 7, bytes([2, 1]), true],
  ["STRING", 8, joined(bytes([5, 8]), text("\uFEFFé")), "\uFEFFé"],
  ["UINT64", 10, bytes([2n ** 53n - 1n, 8]), 2 ** 53 - 1],
  ["UINT64", 10, bytes([2n ** 63n + 1n, 8]), 2n ** 63n + 1n],
  ["INT64", 11, bytes([-(2n ** 53n) + 1n, 8]), -(2 ** 53) + 1],
  ["INT64", 11, bytes([-(2n ** 62n) - 1n, 8]), -(2n ** 62n) - 1n],
  ["INT64", 11, bytes([258, 8]), 258],
  ["FLOAT64", 12, floats(-1.1e-200, 8), -1.1e-200],
];

test.each(values)("%s (%d) of %o", (type, id, content, value) => {
  const all = joined(bytes([99, 3], [id, 4]), content, bytes([7, 4]));
  const reader = new HeaderReader(all, 3);
  expect(reader.typedValue()).toEqual({ type, value });
  expect([reader.at, reader.u32()]).toEqual([3 + 4 + content.length, 7]);
  for (let length = 3; length < 7 + content.length; length++) {
    expect(() => new HeaderReader(all.subarray(0, length), 3).typedValue()).toThrow(HeaderCutOff);
  }
  const list = new HeaderReader(joined(bytes([9, 4], [id, 4], [2, 8]), content, content), 0);
  expect(list.typedValue()).toEqual({ type: `ARRAY/${type}`, value: [value, value] });
});

test("lists may be in lists, 4 deep at most", () => {
  const nested = (depth: number): Uint8Array =>
    depth === 0 ? joined(bytes([0, 4], [1, 8], [5, 1])) : joined(bytes([9, 4], [1, 8]), nested(depth - 1));
  const read = (depth: number) => new HeaderReader(joined(bytes([9, 4]), nested(depth)), 0).typedValue();
  expect(read(0)).toEqual({ type: "ARRAY/UINT8", value: [5] });
  expect(read(4)).toEqual({ type: "ARRAY/ARRAY", value: [[[[[5]]]]] });
  expect(() => read(5)).toThrow("its lists are nested more than 4 deep");
});

test("an unknown type is named, and a list of nothing is empty", () => {
  expect(() => new HeaderReader(bytes([13, 4]), 0).typedValue()).toThrow("a value has the unknown type 13");
  expect(new HeaderReader(bytes([9, 4], [8, 4], [0, 8]), 0).typedValue()).toEqual({ type: "ARRAY/STRING", value: [] });
});

test("a view of a larger buffer is read from its own start", () => {
  const all = bytes([1, 4], [2, 4], [3, 4]);
  expect(new HeaderReader(all.subarray(4), 4).u32()).toBe(3);
});
