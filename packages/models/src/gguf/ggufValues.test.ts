import { expect, test } from "vitest";
import { windowNote } from "./ggufValues.ts";

test.each([
  [null, 128, []],
  [128, 128, []],
  [256, 128, []],
  [64, 128, [expect.stringContaining("sliding window of 64 positions")]],
])("a window of %s over %i positions has its note only if it is shorter", (slidingWindow, positions, notes) => {
  expect(windowNote({ slidingWindow, maxPositionEmbeddings: positions })).toEqual(notes);
});
