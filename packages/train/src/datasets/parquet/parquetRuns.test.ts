import type { PageHeader } from "hyparquet";
import { describe, expect, test } from "vitest";
import { checkRuns } from "./parquetRuns.ts";

/** A run that repeats one 8-bit value. */
const repeated = (count: number, number: number) => [...varint(2 * count), number];
/** A bit-packed run of 8-bit values. */
const packed = (...numbers: number[]) => [...varint((numbers.length / 8) * 2 + 1), ...numbers];
/** Levels of a version 1 page, preceded by their length in bytes. */
const levels = (...runs: number[]) => [runs.length, 0, 0, 0, ...runs];

function varint(value: number): number[] {
  const rest = Math.floor(value / 128);
  return rest > 0 ? [(value % 128) + 128, ...varint(rest)] : [value];
}

/** Snappy's encoding of at most 60 bytes: their count, and one literal. */
const snappy = (...bytes: number[]) => [bytes.length, (bytes.length - 1) << 2, ...bytes];

interface Page {
  codec?: "UNCOMPRESSED" | "SNAPPY";
  isCompressed?: boolean;
  /** The page's uncompressed size in bytes. */
  size?: number;
  encoding?: string;
  values: number;
  nulls?: number;
  type?: "INT32" | "BOOLEAN" | "BYTE_ARRAY";
  maxLevels?: readonly [number, number];
}

function first(bytes: number[], { encoding = "RLE_DICTIONARY", values, type = "INT32", maxLevels = [0, 0] }: Page) {
  const header = { uncompressed_page_size: bytes.length, data_page_header: { num_values: values, encoding } };
  const column = { path: "a", start: 0, length: bytes.length, values, codec: "UNCOMPRESSED", type, maxLevels } as const;
  checkRuns(Uint8Array.from(bytes), header as unknown as PageHeader, column);
}

function second(repetition: number[], definition: number[], bytes: number[], page: Page) {
  const { encoding = "RLE_DICTIONARY", values, nulls = 0, type = "INT32", maxLevels = [0, 0] } = page;
  const { codec = "UNCOMPRESSED", isCompressed = false } = page;
  const all = [...repetition, ...definition, ...bytes];
  const data = { num_values: values, num_nulls: nulls, encoding, is_compressed: isCompressed };
  const lengths = {
    repetition_levels_byte_length: repetition.length,
    definition_levels_byte_length: definition.length,
  };
  const header = { uncompressed_page_size: page.size ?? all.length, data_page_header_v2: { ...data, ...lengths } };
  const column = { path: "a", start: 0, length: all.length, values, codec, type, maxLevels } as const;
  checkRuns(Uint8Array.from(all), header as unknown as PageHeader, column);
}

test("runs of levels and of numbers that hold what the page has", () => {
  const numbers = [8, ...packed(1, 2, 3, 4, 5, 6, 7, 8), ...repeated(3, 9)];
  first(numbers, { values: 11 });
  // The last group of eight packed values may be partly unused.
  first([8, ...packed(1, 2, 3, 4, 5, 6, 7, 8)], { values: 5 });
  first([...levels(...repeated(11, 0)), ...levels(...repeated(11, 1)), ...numbers], { values: 11, maxLevels: [1, 1] });
  second(repeated(11, 0), repeated(11, 1), numbers, { values: 11, maxLevels: [1, 1] });
  first([8, ...packed(255, 255, 255, 255, 255, 255, 255, 255), ...repeated(3, 9)], { values: 11 });
  first([0], { values: 2 ** 22 });
  // The largest packed run has 8,388,608 values.
  first([0, ...varint(2 ** 21 + 1)], { values: 3 });
  expect(() => first([0, ...varint(2 ** 21 + 3)], { values: 3 })).toThrow("a run of 8388616 values");
  first(levels(...repeated(9, 1)), { values: 9, encoding: "RLE", type: "BOOLEAN" });
});

const most = 2 ** 30;

test.each<[string, () => void, string]>([
  [
    "levels of repetition",
    () => first(levels(...repeated(most, 0)), { values: 3, maxLevels: [1, 1] }),
    "a page has a run of 1073741824 values, but only 3 values are left",
  ],
  [
    "levels of definition",
    () =>
      first([...levels(...repeated(3, 0)), ...levels(...repeated(2, 1), ...repeated(2, 1))], {
        values: 3,
        maxLevels: [1, 1],
      }),
    "a page has a run of 2 values, but only 1 values are left",
  ],
  [
    "numbers",
    () => first([8, ...repeated(most, 0)], { values: 3 }),
    "a run of 1073741824 values, but only 3 values are left",
  ],
  [
    "numbers of no bits in packed runs",
    () => second([], [], [0, ...varint(2 ** 28 + 1)], { values: 3 }),
    "a run of 1073741824 values, but only 3 values are left",
  ],
  [
    "levels of a page of the second kind",
    () => second(repeated(most, 0), repeated(3, 1), [0], { values: 3, maxLevels: [1, 1] }),
    "a run of 1073741824 values, but only 3 values are left",
  ],
  [
    "more empty values than values",
    () => second([], repeated(3, 0), [], { values: 3, nulls: 4, maxLevels: [0, 1] }),
    "the header of a page of 3 values states 4 nulls and 2 bytes of levels, which is impossible",
  ],
  [
    "wide numbers",
    () => first([77, ...repeated(3, 0)], { values: 3 }),
    "a page has dictionary indices of 77 bits; at most 32 are supported",
  ],
  [
    "runs of what has no such numbers",
    () => first(levels(...repeated(3, 1)), { values: 3, encoding: "RLE" }),
    "values of type INT32 with the encoding RLE",
  ],
])("%s beyond what the page has", (_what, check, message) => {
  expect(check).toThrow(message);
});

test("texts that share their beginnings and are longer than can be", () => {
  // Blocks of 128 values in 4 miniblocks: first value, minimum difference, bit widths of the miniblocks.
  const lengths = (values: number, from: number) => [128, 1, 4, ...varint(values), ...varint(2 * from), 0, 0, 0, 0, 0];
  const texts = (shared: number, own = 1) => [...lengths(100, shared), ...lengths(100, own)];
  const full = (shared: number, own: number) => [...lengths(128, shared), ...lengths(128, own)];
  const page = { values: 100, encoding: "DELTA_BYTE_ARRAY", type: "BYTE_ARRAY" } as const;
  first(texts(2), page);
  expect(() => first(texts(2 ** 24), page)).toThrow(
    "a page has strings of 1677721700 bytes; at most 134217728 are supported",
  );
  const even = { ...page, values: 128 };
  for (const [shared, own] of [
    [2 ** 20, 0],
    [0, 2 ** 20],
    [2 ** 19, 2 ** 19],
  ]) {
    first(full(shared, own), even);
    expect(() => first(full(shared, own + 1), even)).toThrow("a page has strings of 134217856 bytes; at most");
  }
});

describe("a page of the second kind", () => {
  const numbers = (count: number) => [8, ...repeated(count, 9)];

  test("may be of empty values alone, and hold some", () => {
    second([], repeated(3, 0), [], { values: 3, nulls: 3, maxLevels: [0, 1] });
    second([], [3, 0b101], numbers(2), { values: 3, nulls: 1, maxLevels: [0, 1] });
    expect(() => second([], [3, 0b101], numbers(3), { values: 3, nulls: 1, maxLevels: [0, 1] })).toThrow(
      "a run of 3 values, but only 2 values are left",
    );
  });

  test("has levels of repetition alone, before wide numbers", () => {
    second(repeated(11, 0), [], [32, ...varint(22), 0, 0, 0, 1], { values: 11, maxLevels: [1, 0] });
    second([], repeated(11, 0), [32, ...varint(22), 0, 0, 0, 1], { values: 11, maxLevels: [0, 1] });
    expect(() => second(repeated(3, 0), repeated(4, 0), [], { values: 3, maxLevels: [1, 1] })).toThrow(
      "a run of 4 val",
    );
  });

  test("without lengths of levels has none", () => {
    const data = { num_values: 3, num_nulls: 0, encoding: "RLE_DICTIONARY", is_compressed: false };
    const header = { uncompressed_page_size: 3, data_page_header_v2: data } as unknown as PageHeader;
    const column = { path: "a", start: 0, length: 3, values: 3, codec: "UNCOMPRESSED", type: "INT32" } as const;
    checkRuns(Uint8Array.from(numbers(3)), header, { ...column, maxLevels: [0, 0] });
    expect(() => checkRuns(Uint8Array.from(numbers(4)), header, { ...column, maxLevels: [0, 0] })).toThrow(
      "a run of 4",
    );
  });

  test("is compressed behind its levels, where its header says so", () => {
    const page = { values: 3, codec: "SNAPPY", maxLevels: [0, 1] } as const;
    const size = 2 + numbers(3).length;
    second([], repeated(3, 1), snappy(...numbers(3)), { ...page, isCompressed: true, size });
    expect(() => second([], repeated(3, 1), snappy(...numbers(4)), { ...page, isCompressed: true, size })).toThrow(
      "a run of 4 values, but only 3 values are left",
    );
    second([], repeated(3, 1), numbers(3), page);
    second([], repeated(3, 0), [], { ...page, nulls: 3, isCompressed: true });
    // One byte: the bit width of the indices, and no index bytes.
    expect(() => second([], repeated(3, 1), snappy(33), { ...page, isCompressed: true, size: 3 })).toThrow("33 bits");
  });
});

describe("packed levels", () => {
  // Eight 1-bit values, then three more.
  const bits = (last: number) => [3, 0b10110101, ...repeated(3, last)];

  test("have a byte for eight of them", () => {
    const numbers = (count: number) => [8, ...repeated(count, 9)];
    const page = { values: 11, maxLevels: [1, 1] } as const;
    first([...levels(...bits(0)), ...levels(...bits(1)), ...numbers(8)], page);
    first([...levels(...bits(0)), ...levels(...bits(0)), ...numbers(5)], page);
    expect(() => first([...levels(...bits(0)), ...levels(...bits(0)), ...numbers(6)], page)).toThrow(
      "a run of 6 values, but only 5 values are left",
    );
    first(levels(...bits(1)), { values: 11, encoding: "RLE", type: "BOOLEAN" });
  });

  test("above 1 exist where they are the highest", () => {
    const page = { values: 4, maxLevels: [0, 2] } as const;
    const definition = levels(...repeated(1, 2), ...repeated(2, 1), ...repeated(1, 2));
    first([...definition, 8, ...repeated(2, 9)], page);
    expect(() => first([...definition, 8, ...repeated(3, 9)], page)).toThrow(
      "a run of 3 values, but only 2 values are left",
    );
  });
});

test.each<[number, number, number]>([
  [-1, 0, 0],
  [0, -1, 0],
  [3, 0, 0],
  [0, 3, 0],
  [2, -1, 0],
  [0, 0, -1],
  [0, 0, 4],
])(
  "lengths of levels %i and %i with %i empty values do not fit a page of 3 values",
  (repetition, definition, nulls) => {
    const lengths = { repetition_levels_byte_length: repetition, definition_levels_byte_length: definition };
    const data = { num_values: 3, num_nulls: nulls, encoding: "PLAIN", is_compressed: false, ...lengths };
    const header = { uncompressed_page_size: 2, data_page_header_v2: data } as unknown as PageHeader;
    const column = { path: "a", start: 0, length: 2, values: 3, codec: "UNCOMPRESSED", type: "INT32" } as const;
    expect(() => checkRuns(Uint8Array.of(0, 0), header, { ...column, maxLevels: [0, 0] })).toThrow(
      `the header of a page of 3 values states ${nulls} nulls and ${repetition + definition} bytes of levels, which is impossible`,
    );
  },
);

test("indices of nine bits have two bytes", () => {
  first([9, ...varint(4), 1, 1, ...varint(2), 0, 1], { values: 3 });
  expect(() => first([9, ...varint(4), 1, 1, ...varint(4), 0, 1], { values: 3 })).toThrow(
    "a run of 2 values, but only 1",
  );
});

test("places in a dictionary have up to 32 bits, and no value has none", () => {
  first([32, ...varint(6), 0, 0, 0, 0], { values: 3 });
  expect(() => first([33, ...varint(6), 0, 0, 0, 0, 0], { values: 3 })).toThrow("dictionary indices of 33 bits");
  first([], { values: 0 });
  expect(() => first([77, 2, 0], { values: 1 })).toThrow("dictionary indices of 77 bits");
  first([0, 6], { values: 3 });
  expect(() => first([0, 8], { values: 3 })).toThrow("a run of 4 values, but only 3 values are left");
});
