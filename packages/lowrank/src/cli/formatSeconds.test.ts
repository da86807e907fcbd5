import { expect, test } from "vitest";
import { formatSeconds } from "./formatSeconds.ts";

test.each([
  [0, "0.0 s"],
  [0.04, "0.0 s"],
  [9.44, "9.4 s"],
  [9.5, "10 s"],
  [10.4, "10 s"],
  [59.4, "59 s"],
  [59.5, "1 min 00 s"],
  [60, "1 min 00 s"],
  [61, "1 min 01 s"],
  [119.6, "2 min 00 s"],
  [3599.4, "59 min 59 s"],
  [3599.5, "1 h 00 min"],
  [3600, "1 h 00 min"],
  [3659, "1 h 00 min"],
  [3660, "1 h 01 min"],
  [7384, "2 h 03 min"],
  [360_000, "100 h 00 min"],
])("%d seconds are %s", (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});
