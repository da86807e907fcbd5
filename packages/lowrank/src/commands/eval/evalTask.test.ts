import { expect, test } from "vitest";
import { share } from "./evalTask.ts";

test("a share has the standard error of a mean of zeros and ones, of two questions or more", () => {
  expect(share("acc", [true, false, true, false, false])).toEqual({
    ...{ name: "acc", value: 0.4, standardError: Math.sqrt(0.24 / 4) },
  });
  expect(share("acc", [true, false])).toEqual({ name: "acc", value: 0.5, standardError: 0.5 });
  expect(share("acc", [true])).toEqual({ name: "acc", value: 1, standardError: null });
  expect(share("acc", [true, true, true])).toEqual({ name: "acc", value: 1, standardError: 0 });
});
