import { expect, test } from "vitest";
import { factorization } from "./lokr.ts";

// The results of `factorization` in PEFT 0.21.2.
test.each([
  [256, -1, [16, 16]],
  [128, -1, [8, 16]],
  [127, -1, [1, 127]],
  [128, 4, [4, 32]],
  [576, -1, [24, 24]],
  [1536, 5, [4, 384]],
  [12, 12, [12, 1]],
  [10, 7, [2, 5]],
  [360, 16, [15, 24]],
  [1, -1, [1, 1]],
])("%i near %i is cut into %o", (size, wanted, factors) => {
  expect(factorization(size, wanted)).toEqual(factors);
});
