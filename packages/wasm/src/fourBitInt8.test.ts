import {
  blockFormats,
  Generator,
  init,
  matmul,
  packedTensor,
  quantize4bit,
  randn,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { enableInt8Activations, linearWithInt8Activations } from "@lowrank/core/internal";
import { beforeAll, describe, expect, it } from "vitest";
import { wasm } from "./index.ts";
import { difference } from "./testing/sameOnBackends.ts";

const generator = new Generator(21);
const draw = (...shape: number[]): Tensor => randn(shape, { generator });

beforeAll(async () => {
  enableInt8Activations();
  await init(await wasm());
});

describe("weights of 4 bits times rows of bytes", () => {
  it.each([
    ["nf4", 64, false, 1, 1.4e-2],
    ["nf4", 64, true, 9, 1.4e-2],
    ["nf4", 128, true, 1, 1.6e-2],
    ["nf4", 32, false, 4, 1.4e-2],
    ["fp4", 64, true, 1, 9e-3],
    ["fp4", 64, false, 6, 9e-3],
  ] as const)(
    "%s in blocks of %i, nested %s, %i rows, are the products but for rounding",
    (quantType, blockSize, doubleQuant, rows, most) => {
      // A row of 96 or 160 elements is not a multiple of the block sizes 64 and 128.
      for (const [out, from] of [
        [21, 256],
        [30, 96],
        [13, 160],
      ]) {
        const [x, w] = [draw(rows, from), quantize4bit(draw(out, from), { quantType, blockSize, doubleQuant })];
        const [exact, bytes] = [matmul(x, w, { transposeB: true }), linearWithInt8Activations(x, w)].map((t) =>
          t.dataSync(),
        );
        // The rounding error of an nf4 value is 0.004 of a block's largest magnitude, of an element of x 0.0053.
        expect(difference(bytes, exact)).toBeLessThan(most);
        expect(difference(bytes, exact)).toBeGreaterThan(1e-3);
      }
    },
  );

  it("are exact where the values and the rows are", () => {
    // The values 0, 1/4, 1/3, 1/2, 2/3 and 1 of fp4 are exact in its table of 48 steps.
    const values = [0, 0.25, 0.5, 1, -0.25, -0.5, -1];
    const whole = (shape: [number, number], of: (i: number) => number) =>
      tensor(
        Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => of(i)),
        { shape },
      );
    const w = quantize4bit(
      whole([8, 64], (i) => (i % 64 === 0 ? 1 : values[(i * 5) % 7])),
      { quantType: "fp4" },
    );
    const x = whole([3, 64], (i) => (i % 32 === 0 ? 127 : ((i * 37) % 255) - 127));
    expect(
      difference(linearWithInt8Activations(x, w).dataSync(), matmul(x, w, { transposeB: true }).dataSync()),
    ).toBeLessThan(1e-6);
  });

  it("have the same bits alone and among others, by threads and in both builds", async () => {
    const [numbers, weights] = [draw(5, 192), draw(50, 192)].map((t) => t.dataSync().slice());
    const results = [];
    for (const options of [{ threads: 1 }, { threads: 2, grain: 1 }, { build: "simd" as const }]) {
      const backend = await wasm(options);
      const w = quantize4bit(tensor(weights, { shape: [50, 192], backend }), { quantType: "nf4" });
      const all = linearWithInt8Activations(tensor(numbers, { shape: [5, 192], backend }), w).dataSync();
      const alone = linearWithInt8Activations(
        tensor(numbers.slice(0, 192), { shape: [1, 192], backend }),
        w,
      ).dataSync();
      expect([...alone]).toEqual([...all.slice(0, 50)]);
      results.push([...all]);
      backend.dispose();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it.each([...(["q5_0", "q5_1", "q4_k", "q5_k", "q6_k"] as const)])(
    "have the same bits as %s too, alone, among others, by threads and in both builds",
    async (dtype) => {
      const [numbers, weights] = [draw(6, 2304), draw(50, 2304)].map((t) => t.dataSync().slice() as Float32Array);
      const bytes = blockFormats[dtype].pack(weights, "a weight");
      const results = [];
      for (const options of [{ threads: 1 }, { threads: 2, grain: 1 }, { build: "simd" as const }]) {
        const backend = await wasm(options);
        await backend.prepare?.(dtype);
        const w = packedTensor(bytes, { shape: [50, 2304], dtype, backend });
        const x = tensor(numbers, { shape: [6, 2304], backend });
        const all = linearWithInt8Activations(x, w).dataSync();
        const alone = linearWithInt8Activations(
          tensor(numbers.slice(0, 2304), { shape: [1, 2304], backend }),
          w,
        ).dataSync();
        expect([...alone]).toEqual([...all.slice(0, 50)]);
        // The step is a 127th of the largest of 32 normally distributed values, about 2.1; a uniform error is 0.29 of
        // the step.
        const exact = matmul(x, w, { transposeB: true }).dataSync();
        expect(difference(all, exact)).toBeLessThan(7e-3);
        expect(difference(all, exact)).toBeGreaterThan(1e-3);
        results.push([...all]);
        backend.dispose();
      }
      expect(results[1]).toEqual(results[0]);
      expect(results[2]).toEqual(results[0]);
    },
  );

  it("are refused where rows are no whole blocks of 32", () => {
    const w = quantize4bit(draw(8, 72), { quantType: "nf4" });
    expect(() => linearWithInt8Activations(draw(2, 72), w)).toThrow(
      "linearInt8: rows of W [8,72], nf4, must be whole blocks of 32",
    );
  });
});
