import { expect, it } from "vitest";
import { f32ToBf16, f32ToF16 } from "./half.ts";
import { checkFinite, firstNonFinite } from "./nonFinite.ts";

const largest = { f32: 3.4028234663852886e38, f16: 65504, bf16: 3.3895313892515355e38 };

function encoded(values: number[], dtype: keyof typeof largest): Uint8Array {
  const wide = Float32Array.from(values);
  if (dtype === "f32") return new Uint8Array(wide.buffer);
  const narrow = new Uint16Array(values.length);
  (dtype === "f16" ? f32ToF16 : f32ToBf16)(wide, narrow);
  return new Uint8Array(narrow.buffer);
}

it.each(["f32", "f16", "bf16"] as const)("numbers of %s that are not finite are found", (dtype) => {
  const top = largest[dtype];
  for (const values of [
    [0, -0, top, -top, 1e-7],
    [-top, -top, top, top],
  ])
    checkFinite("w", encoded(values, dtype), dtype);
  for (const bad of [Number.NaN, Infinity, -Infinity]) {
    for (const [at, values] of [
      [2, [0, top, bad, 1]],
      [1, [-top, bad, 0, 1]],
      [2, [-top, 1e-7, bad]],
    ] as const) {
      const bytes = encoded([...values], dtype);
      expect(() => checkFinite("w", bytes, dtype)).toThrow(`saving w: its element ${at} is NaN or infinite`);
      expect(() => checkFinite("w", bytes, dtype.toUpperCase())).toThrow(`its element ${at} `);
      if (dtype !== "f32") expect(() => checkFinite("w", bytes.subarray(2), dtype)).toThrow(`its element ${at - 1} `);
    }
  }
});

it("the index is -1 if all are finite, and for integers", () => {
  const bytes = new Uint8Array([255, 255, 255, 127]);
  expect(firstNonFinite(bytes, "u8")).toBe(-1);
  expect(firstNonFinite(bytes, "f32")).toBe(0);
  expect(firstNonFinite(encoded([1, 2, 3], "f16"), "f16")).toBe(-1);
  checkFinite("codes", bytes, "u8");
});
