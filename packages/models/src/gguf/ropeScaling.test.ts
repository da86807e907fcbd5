import { expect, test } from "vitest";
import { JsonFields } from "../config/jsonFields.ts";
import { decimal } from "./ggufValues.ts";
import { ropeScaling } from "./ropeScaling.ts";

const scaling = (fields: object, factors?: readonly number[]) =>
  ropeScaling(new JsonFields(fields, "x.gguf"), (name) => `llama.${name}`, {
    theta: 500_000,
    headDim: 128,
    factors: factors && Float32Array.from(factors),
  });

/** The divisors of the frequencies in Llama 3.1, as in llama.cpp's converter. */
function llama3Factors(factor: number): number[] {
  const [low, high] = [8192 / 1, 8192 / 4];
  return Array.from({ length: 64 }, (_, i) => {
    const length = 2 * Math.PI * 500_000 ** (i / 64);
    if (length < high) return 1;
    if (length > low) return factor;
    const smooth = (8192 / length - 1) / (4 - 1);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

test.each<[object, object | null]>([
  [{}, null],
  [{ "llama.rope.scaling.type": "none", "llama.rope.scaling.factor": 3 }, null],
  [{ "llama.rope.scale_linear": 1 }, null],
  [{ "llama.rope.scale_linear": 2 }, { rope_type: "linear", factor: 2 }],
  [
    { "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 3 },
    { rope_type: "linear", factor: 3 },
  ],
  [{ "llama.rope.scaling.type": "linear" }, { rope_type: "linear", factor: 1 }],
])("%j means %j", (fields, expected) => {
  expect(scaling(fields)).toEqual(expected);
});

test("factors are those of Llama 3.1 up to a relative difference of 1e-5", () => {
  const factors = llama3Factors(8);
  const expected = {
    ...{ rope_type: "llama3", factor: 8, low_freq_factor: 1 },
    ...{ high_freq_factor: 4, original_max_position_embeddings: 8192 },
  };
  const changed = (index: number, ratio: number) => factors.map((x, i) => (i === index ? x * ratio : x));
  const last = factors.length - 1;
  expect(scaling({}, factors)).toEqual(expected);
  expect(scaling({}, changed(last, 1 - 8e-6))).toEqual(expected);
  expect(scaling({}, changed(0, 1 - 8e-6))).toEqual(expected);
  for (const wrong of [changed(last, 1 - 2e-5), changed(0, 1 - 2e-5), factors.slice(1), [...factors, 8]]) {
    expect(() => scaling({}, wrong)).toThrow(
      "x.gguf: rope_freqs.weight is not the RoPE scaling of Llama 3.1 to 3.3, and no other scaling factors are supported",
    );
  }
});

// NumPy prints these decimals for the f32 values.
test.each([
  [1.401298464324817e-45, 1e-45],
  [Math.fround(0.1), 0.1],
  [Math.fround(1e-5), 1e-5],
  [1 + 2 ** -23, 1.0000001],
  [1000 + 2 ** -14, 1000.00006],
  [1000 + 6 * 2 ** -14, 1000.00037],
  [Math.fround(1.17549449e-38), 1.1754945e-38],
  [Math.fround(-0.1), -0.1],
])("%d is the f32 of %d", (value, expected) => {
  expect(decimal(value)).toBe(expected);
});
