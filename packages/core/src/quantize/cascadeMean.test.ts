import { expect, it } from "vitest";
import { cascadeMean } from "./cascadeMean.ts";

// torch.mean of PyTorch 2.15 on one thread; added one after the other, most of these
// sums end in another bit.
it.each([
  [1, 87.85713958740234],
  [3, 66],
  [4, 55.07143020629883],
  [5, 44.14285659790039],
  [6, 57.238094329833984],
  [7, 63.46938705444336],
  [8, 65.41072082519531],
  [13, 67.5934066772461],
  [40, 72.44999694824219],
  [700, 72.08958435058594],
])("the mean of %i numbers is PyTorch's", (count, expected) => {
  expect(cascadeMean(Float32Array.from({ length: count }, (_, i) => ((i * 7919 + 615) % 1009) / 7))).toBe(expected);
});
