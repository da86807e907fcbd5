import { expect, test } from "vitest";
import { compressors, mostPageBytes } from "./parquetRuns.ts";

const { LZ4_RAW } = compressors;

test("a block of no bytes is read", () => {
  expect(LZ4_RAW?.(Uint8Array.of(0), 0)).toEqual(new Uint8Array(0));
});

test("a page beyond the limit is refused before room is made for it", () => {
  expect(() => LZ4_RAW?.(Uint8Array.of(0), mostPageBytes + 1)).toThrow("a page header states 134217729 bytes; at most");
});

test("a page of the largest size is read", () => {
  expect(() => LZ4_RAW?.(Uint8Array.of(0), mostPageBytes)).not.toThrow("a page header states");
});
