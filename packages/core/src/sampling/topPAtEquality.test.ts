import { expect, test } from "vitest";
import { sampleToken, tokenProbabilities } from "./tokenProbabilities.ts";

// Four tokens with a probability of 1/4 each, which sum exactly in f32 and f64.
const quarters = Float32Array.of(2, 2, 2, 2);

test("top-p stops at the token with which it is reached exactly", () => {
  expect(Array.from(tokenProbabilities(quarters, { topP: 0.5 }))).toEqual([0.5, 0.5, 0, 0]);
  expect(Array.from(tokenProbabilities(quarters, { topP: 0.25 }))).toEqual([1, 0, 0, 0]);
  expect(sampleToken(quarters, 0.999, { topP: 0.5 })).toBe(1);
});
