import { afterEach, expect, test } from "vitest";
import { getFloat32MatmulPrecision, setFloat32MatmulPrecision } from "../index.ts";
import { computeGradients } from "./gradMode.ts";
import { productPrecision } from "./matmulPrecision.ts";

const precisions = ["highest", "high", "medium"] as const;

afterEach(() => setFloat32MatmulPrecision("highest"));

test("the precision is the last one set, highest by default", () => {
  expect(getFloat32MatmulPrecision()).toBe("highest");
  for (const precision of precisions) {
    setFloat32MatmulPrecision(precision);
    expect(getFloat32MatmulPrecision()).toBe(precision);
  }
  expect(() => setFloat32MatmulPrecision("low" as "high")).toThrow(
    'setFloat32MatmulPrecision: precision is "low"; give one of highest, high, medium',
  );
  expect(getFloat32MatmulPrecision()).toBe("medium");
});

test("only a backward pass uses medium precision for products with any weight", () => {
  expect(precisions.map(productPrecision)).toEqual(["highest", "high", "high"]);
  computeGradients(() => {
    expect(precisions.map(productPrecision)).toEqual(["highest", "high", "medium"]);
  });
});
