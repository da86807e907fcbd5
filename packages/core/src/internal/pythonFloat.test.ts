import { expect, it } from "vitest";
import { pythonFloat } from "../internal.ts";

it.each([
  [0, "0.0"],
  [-0, "-0.0"],
  [2, "2.0"],
  [-16.5, "-16.5"],
  [0.0001, "0.0001"],
  [0.00001, "1e-05"],
  [-0.0000123, "-1.23e-05"],
  [2.6245927810668945, "2.6245927810668945"],
  [1234567890123456, "1234567890123456.0"],
  [1e16, "1e+16"],
  [1.5e300, "1.5e+300"],
  [5e-324, "5e-324"],
])("pythonFloat(%d) is what Python's repr gives", (value, text) => {
  expect(pythonFloat(value)).toBe(text);
});
