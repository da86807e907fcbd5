import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Packing } from "../../backends/packedFormat.ts";
import {
  Generator,
  init,
  type Quantize4bitParams,
  quantize4bit,
  randn,
  reference,
  type Tensor,
  tensor,
  to,
} from "../../index.ts";
import { partsOf } from "../../packed/blockwise/fourBit.ts";
import { packedFormats } from "../../packed/index.ts";

beforeAll(async () => {
  await init(reference());
});

const blockSizes = [32, 64, 128, 256, 512, 1024, 2048, 4096];
const widen = (t: Tensor) => to(t, { dtype: "f32" }).dataSync() as Float32Array;
const parts = async (t: Tensor) => partsOf(await t.bytes(), t.size, t.packing as Packing);

/** Weights of up to about two blocks, of any magnitude, with some zeros. */
const weights = fc.record({
  shape: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 1100 })),
  blockSize: fc.constantFrom(...blockSizes),
  quantType: fc.constantFrom("nf4" as const, "fp4" as const),
  seed: fc.nat(),
  exponent: fc.integer({ min: -30, max: 30 }),
  zeros: fc.double({ min: 0, max: 1, noNaN: true }),
});

const settingsOf = ({ quantType, blockSize }: Pick<Quantize4bitParams, "quantType" | "blockSize">) => ({
  quantType,
  blockSize,
});

function draw({ shape, seed, exponent, zeros }: typeof weights extends fc.Arbitrary<infer T> ? T : never): Tensor {
  const generator = new Generator(seed);
  const values = randn(shape, { generator, std: 2 ** exponent }).dataSync();
  const kept = new Float32Array(values.length);
  generator.fillUniform(kept, 0, 1);
  return tensor(
    Float32Array.from(values, (v, i) => (kept[i] < zeros ? 0 : v)),
    { shape },
  );
}

describe("quantize4bit", () => {
  it("gives each element the nearest value of its block: half the gap around it, times the scale, is the most it errs", () => {
    fc.assert(
      fc.property(weights, (how) => {
        const x = draw(how);
        const [values, found] = [x.dataSync() as Float32Array, widen(quantize4bit(x, settingsOf(how)))];
        const ascending = Float32Array.from(packedFormats[how.quantType].codebook.values).sort();
        for (let from = 0; from < values.length; from += how.blockSize) {
          const block = values.subarray(from, from + how.blockSize);
          const scale = block.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
          const levels = ascending.map((c) => c * scale);
          // Scaling and both products each round by 2^-24 of at most the scale. A scale below 1e-38 counts as 1e-38.
          const rounding = scale * 2 ** -22 + 1e-38;
          const beyond = block.map((v, i) => {
            const nearest = levels.reduce((least, level) => Math.min(least, Math.abs(v - level)), Infinity);
            return Math.abs(v - found[from + i]) - nearest - rounding;
          });
          expect(Math.max(...beyond)).toBeLessThanOrEqual(0);
        }
      }),
    );
  });

  it("finds the same codes and scales in what it dequantised", async () => {
    await fc.assert(
      fc.asyncProperty(weights, async (how) => {
        const first = quantize4bit(draw(how), settingsOf(how));
        const second = quantize4bit(to(first, { dtype: "f32" }), settingsOf(how));
        // fp4 has two zeros, and maps zeros to the positive one.
        if (how.quantType === "nf4") expect(await second.bytes()).toEqual(await first.bytes());
        expect(widen(second).map((v) => v + 0)).toEqual(widen(first).map((v) => v + 0));
      }),
    );
  });

  it("keeps nested scales within what 8 bits around their mean can say", async () => {
    await fc.assert(
      fc.asyncProperty(weights, async (how) => {
        const x = draw(how);
        const [plain, nested] = [
          quantize4bit(x, settingsOf(how)),
          quantize4bit(x, { ...settingsOf(how), doubleQuant: true }),
        ];
        expect(nested.packing).toEqual({ blockSize: how.blockSize, nested: true });
        const [{ codes, absmax }, second] = [await parts(plain), await parts(nested)];
        expect(second.codes).toEqual(codes);
        const [wide, narrow] = [widen(plain), widen(nested)];
        const spread = second.nestedAbsmax[0];
        // The dynamic map's largest gap is 0.0141, and its end at -0.993 also represents -1: half a gap and 2^-20 of
        // the value.
        const limit = 0.0071 * spread + 2 ** -20 * (absmax[0] + spread);
        const moved = wide.subarray(0, 256 * how.blockSize).map((w, i) => Math.abs(w - narrow[i]));
        expect(Math.max(...moved)).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 30 },
    );
  });

  let normal: Tensor | undefined;

  // Means of |x - found| and of |x - found| / |x| with their deviations over 200 samples, from
  // bitsandbytes' own tests.
  it.each([
    ["nf4", 32, 0.067746, 0.000069, 0.189726, 0.000304],
    ["nf4", 64, 0.072798, 0.000074, 0.203339, 0.00034],
    ["nf4", 128, 0.076831, 0.000091, 0.215237, 0.000391],
    ["nf4", 256, 0.080337, 0.000102, 0.226105, 0.000398],
    ["nf4", 512, 0.083547, 0.000143, 0.236079, 0.000544],
    ["nf4", 1024, 0.08661, 0.000187, 0.24537, 0.0006],
    ["nf4", 2048, 0.089592, 0.000251, 0.254163, 0.000747],
    ["nf4", 4096, 0.092547, 0.00036, 0.262473, 0.000999],
    ["fp4", 32, 0.088925, 0.000091, 0.242443, 0.00033],
    ["fp4", 64, 0.096543, 0.000111, 0.260125, 0.000379],
    ["fp4", 128, 0.102969, 0.000134, 0.275817, 0.000433],
    ["fp4", 256, 0.108684, 0.000182, 0.289831, 0.000497],
    ["fp4", 512, 0.114115, 0.000234, 0.302881, 0.000583],
    ["fp4", 1024, 0.119333, 0.00032, 0.315, 0.000757],
    ["fp4", 2048, 0.124556, 0.000455, 0.326607, 0.000955],
    ["fp4", 4096, 0.129536, 0.000612, 0.337169, 0.001239],
  ] as const)(
    "errs as bitsandbytes measured over normal numbers, %s, block size %i",
    (quantType, blockSize, abs, absSigma, rel, relSigma) => {
      normal ??= randn([1024, 1024], { generator: new Generator(64) });
      const [values, found] = [normal.dataSync(), widen(quantize4bit(normal, { quantType, blockSize }))];
      let [absolute, relative] = [0, 0];
      for (const [i, v] of values.entries()) {
        absolute += Math.abs(v - found[i]);
        relative += Math.abs(v - found[i]) / (Math.abs(v) + 1e-8);
      }
      expect(Math.abs(absolute / values.length - abs)).toBeLessThan(7 * absSigma);
      expect(Math.abs(relative / values.length - rel)).toBeLessThan(7 * relSigma);
    },
  );

  it("errs by half the largest gap times the scale at most", () => {
    const halfGap = { nf4: (1 - 0.6961928009986877) / 2, fp4: (1 - 2 / 3) / 2 };
    fc.assert(
      fc.property(weights, (how) => {
        const x = draw(how);
        const [values, found] = [x.dataSync() as Float32Array, widen(quantize4bit(x, settingsOf(how)))];
        for (let from = 0; from < values.length; from += how.blockSize) {
          const block = values.subarray(from, from + how.blockSize);
          const scale = block.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
          const error = block.reduce((top, v, i) => Math.max(top, Math.abs(v - found[from + i])), 0);
          expect(error).toBeLessThanOrEqual(scale * (halfGap[how.quantType] + 2 ** -22) + 1e-38);
        }
      }),
    );
  });

  it("gives ties to the lower value, zeros to zero, and numbers just above 0 to fp4's negative zero", async () => {
    const { thresholds } = packedFormats.nf4.codebook;
    const codes = async (values: ArrayLike<number>, params: Quantize4bitParams) => {
      const block = Float32Array.from({ length: 32 }, (_, i) => values[i] ?? 0);
      const t = quantize4bit(tensor(block), { blockSize: 32, ...params });
      return Array.from((await parts(t)).codes)
        .flatMap((byte) => [byte >> 4, byte & 15])
        .slice(0, values.length);
    };
    expect(await codes([1, ...thresholds], {})).toEqual([15, ...thresholds.keys()]);
    expect(await codes([-1, 0, -0, 1e-9, -1e-9, 0.0026, -0.0026, 0.003], { quantType: "fp4" })).toEqual([
      ...[11, 0, 0, 8, 0, 8, 0, 1],
    ]);
  });

  it("packs an odd count with a zero after it, and a tail block with a scale that is never 0", async () => {
    const tail = await parts(quantize4bit(tensor([...new Array(32).fill(0), 0, 0, 0]), { blockSize: 32 }));
    expect(Array.from(tail.codes)).toEqual(new Array(18).fill(0x77));
    expect(Array.from(tail.absmax)).toEqual([0, Math.fround(1e-38)]);
  });

  it("widens halves before, and rounds to halves after", async () => {
    const x = randn([5, 77], { generator: new Generator(3) });
    for (const dtype of ["f16", "bf16"] as const) {
      const half = to(x, { dtype });
      const packed = quantize4bit(half, {});
      expect(await packed.bytes()).toEqual(await quantize4bit(to(half, { dtype: "f32" }), {}).bytes());
      expect(await to(packed, { dtype }).bytes()).toEqual(await to(to(packed, { dtype: "f32" }), { dtype }).bytes());
    }
  });

  it("refuses what it cannot pack", () => {
    const x = tensor(new Float32Array(130).fill(1));
    expect(() => quantize4bit(x, { blockSize: 48 })).toThrow(/blockSize is 48; use a power of two from 32 to 4096/);
    expect(() => quantize4bit(x, { quantType: "int4" as never })).toThrow(/quantType is int4; use nf4 or fp4/);
    expect(() => quantize4bit(tensor([1], { dtype: "i32" }), {})).toThrow(/is i32, expected f32 or f16 or bf16/);
    expect(() => quantize4bit(tensor([], { shape: [0, 4] }), {})).toThrow(/\[0,4\] has no elements/);
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      const broken = tensor(Float32Array.from({ length: 130 }, (_, i) => (i === 70 ? bad : 1)));
      expect(() => quantize4bit(broken, {})).toThrow(/elements 64 to 127 hold a NaN or an infinity/);
    }
    const huge = tensor(new Float32Array(640).fill(2 ** 125));
    expect(() => quantize4bit(huge, { doubleQuant: true })).toThrow(/the mean of the scales is Infinity/);
    expect(quantize4bit(huge, {}).dtype).toBe("nf4");
    expect(() => to(x, { dtype: "nf4" })).toThrow(/f32 \[130\] cannot become nf4; quantize4bit makes nf4 and fp4/);
  });
});
