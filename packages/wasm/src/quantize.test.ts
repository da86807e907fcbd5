import {
  type Backend,
  dequantizeBlockwise,
  dynamicMap,
  embedding,
  Generator,
  quantize4bit,
  quantizeBlockwise,
  randn,
  reference,
  scope,
  tensor,
  to,
} from "@lowrank/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { wasm } from "./index.ts";

const plain = reference();

/** Weights with some values halfway between two codes, some zeros, and possibly whole blocks of zeros. */
const weights = fc.record({
  rows: fc.integer({ min: 1, max: 40 }),
  width: fc.integer({ min: 1, max: 400 }),
  dtype: fc.constantFrom("f32" as const, "f16" as const, "bf16" as const),
  blockSize: fc.constantFrom(32, 64, 128, 256, 512, 1024, 2048, 4096),
  quantType: fc.constantFrom("nf4" as const, "fp4" as const),
  doubleQuant: fc.boolean(),
  step: fc.constantFrom(0, 0.125, 1 / 3),
  zeros: fc.constantFrom(0, 0.3, 0.999),
  exponent: fc.integer({ min: -140, max: 120 }),
  seed: fc.nat(),
});

type Weights = typeof weights extends fc.Arbitrary<infer T> ? T : never;

function values({ rows, width, step, zeros, exponent, seed }: Weights): Float32Array {
  const generator = new Generator(seed);
  const normal = randn([rows * width], { generator, backend: plain }).dataSync();
  const kept = new Float32Array(normal.length);
  generator.fillUniform(kept, 0, 1);
  const rounded = (v: number) => (step > 0 ? Math.round(v / step) * step : v);
  return Float32Array.from(normal, (v, i) => (kept[i] < zeros ? 0 : rounded(v) * 2 ** exponent));
}

async function run(how: Weights, data: Float32Array, backend: Backend): Promise<Record<string, Uint8Array>> {
  const { rows, width, dtype, quantType, blockSize: size, doubleQuant } = how;
  const outputs = scope(() => {
    const w = to(tensor(data, { shape: [rows, width], backend }), { dtype });
    const packed = quantize4bit(w, { quantType, blockSize: size, doubleQuant });
    const ids = tensor(
      Int32Array.from({ length: 5 }, (_, i) => (i * 7) % rows),
      { backend },
    );
    const code = tensor(dynamicMap(), { backend });
    const blockSize = how.blockSize - 5;
    const [q, absmax] = quantizeBlockwise(to(w, { dtype: "f32" }), code, { blockSize });
    const wide = to(packed, { dtype: "f32" });
    const half = to(packed, { dtype: "bf16" });
    return {
      packed,
      wide,
      half,
      picked: embedding(packed, ids),
      q,
      absmax,
      back: dequantizeBlockwise(q, absmax, code, { blockSize }),
    };
  });
  const bytes = await Promise.all(Object.entries(outputs).map(async ([name, t]) => [name, await t.bytes()] as const));
  for (const t of Object.values(outputs)) t.dispose();
  return Object.fromEntries(bytes);
}

describe.each([
  ["simd", await wasm({ build: "simd" })],
  ["relaxed", await wasm({ build: "relaxed" })],
] as const)("quantisation on wasm, %s", (_build, backend) => {
  it("gives the reference's bytes: codes, scales, and what they mean", async () => {
    await fc.assert(
      fc.asyncProperty(weights, async (how) => {
        const data = values(how);
        // f16 would turn large values into infinities, and the mean of large scales overflows: both are rejected.
        fc.pre(!how.doubleQuant || how.exponent <= 110);
        fc.pre(how.dtype !== "f16" || data.every((v) => Math.abs(v) < 65504));
        expect(await run(how, data, backend)).toEqual(await run(how, data, plain));
      }),
      { numRuns: 100 },
    );
  });

  it("refuses scales whose mean overflows", () => {
    const x = tensor(new Float32Array(640).fill(2 ** 125), { backend });
    expect(() => quantize4bit(x, { doubleQuant: true })).toThrow("quantize4bit: the mean of the scales is Infinity");
  });

  it("refuses NaN and infinities wherever they are", () => {
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      for (const at of [0, 63, 64, 131]) {
        const x = tensor(new Float32Array(132).fill(1).with(at, bad), { backend });
        const where = new RegExp(`elements ${64 * Math.floor(at / 64)} to .* hold a NaN or an infinity`);
        expect(() => quantize4bit(x, {})).toThrow(where);
        expect(() => quantizeBlockwise(x, tensor(dynamicMap(), { backend }), { blockSize: 64 })).toThrow(where);
      }
    }
  });
});
