import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./half.ts";

interface Format {
  name: string;
  narrow: (src: Float32Array, dst: Uint16Array) => void;
  widen: (src: Uint16Array, dst: Float32Array) => void;
  exponentBits: number;
  mantissaBits: number;
}

const formats: Format[] = [
  { name: "f16", narrow: f32ToF16, widen: f16ToF32, exponentBits: 5, mantissaBits: 10 },
  { name: "bf16", narrow: f32ToBf16, widen: bf16ToF32, exponentBits: 8, mantissaBits: 7 },
];

/** Returns the value of a code by IEEE 754's definition. */
function decode({ exponentBits, mantissaBits }: Format, code: number): number {
  const sign = code & 0x8000 ? -1 : 1;
  const top = 2 ** exponentBits - 1;
  const exponent = (code >>> mantissaBits) & top;
  const fraction = (code & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === top) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}

describe.each(formats)("$name", (format) => {
  const allCodes = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const infinity = (2 ** format.exponentBits - 1) << format.mantissaBits;
  const quiet = 1 << (format.mantissaBits - 1);
  const narrowOne = (x: number): number => {
    const code = new Uint16Array(1);
    format.narrow(Float32Array.of(x), code);
    return code[0];
  };

  it("widens every code to its value", () => {
    const wide = new Float32Array(65536);
    format.widen(allCodes, wide);
    const wrong = Array.from(allCodes).filter((code) => !Object.is(wide[code], decode(format, code)));
    expect(wrong).toEqual([]);
  });

  it("narrows every widened code to itself, NaNs made quiet", () => {
    const wide = new Float32Array(65536);
    const back = new Uint16Array(65536);
    format.widen(allCodes, wide);
    format.narrow(wide, back);
    const expected = allCodes.map((code) => ((code & 0x7fff) > infinity ? code | quiet : code));
    expect(back).toEqual(expected);
  });

  it("rounds every midpoint to even, and what is next to it to the nearer side", () => {
    const wrong: number[] = [];
    for (let code = 0; code < infinity; code++) {
      const low = decode(format, code);
      const next = code + 1 === infinity ? 2 * low - decode(format, code - 1) : decode(format, code + 1);
      const middle = Float32Array.of((low + next) / 2);
      const bits = new Uint32Array(middle.buffer);
      const even = code & 1 ? code + 1 : code;
      if (narrowOne(middle[0]) !== even || narrowOne(-middle[0]) !== (even | 0x8000)) wrong.push(code);
      bits[0] -= 1;
      if (narrowOne(middle[0]) !== code) wrong.push(code);
      bits[0] += 2;
      if (narrowOne(middle[0]) !== code + 1) wrong.push(code);
    }
    expect(wrong).toEqual([]);
  });

  it("picks the nearest code for any f32", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const code = narrowOne(x);
        const largest = decode(format, infinity - 1);
        expect(code >>> 15).toBe(x < 0 || Object.is(x, -0) ? 1 : 0);
        if ((code & 0x7fff) === infinity) {
          expect(Math.abs(x)).toBeGreaterThan(largest);
          return;
        }
        const error = Math.abs(decode(format, code) - x);
        for (const other of [code - 1, code + 1]) {
          if ((other & 0x7fff) < infinity) expect(Math.abs(decode(format, other) - x)).toBeGreaterThanOrEqual(error);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it("keeps any NaN a NaN with its sign, and infinities", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffff }), fc.boolean(), (mantissa, negative) => {
        const bits = Uint32Array.of((0x7f800000 | mantissa | (negative ? 0x80000000 : 0)) >>> 0);
        const code = new Uint16Array(1);
        format.narrow(new Float32Array(bits.buffer), code);
        expect(code[0] & 0x7fff).toBeGreaterThan(infinity);
        expect(code[0] & quiet).toBe(quiet);
        expect(code[0] >>> 15).toBe(negative ? 1 : 0);
      }),
    );
    expect(narrowOne(Number.POSITIVE_INFINITY)).toBe(infinity);
    expect(narrowOne(Number.NEGATIVE_INFINITY)).toBe(infinity | 0x8000);
  });

  it("leaves the elements of a longer target as they are", () => {
    const [codes, wide] = [Uint16Array.of(7, 7), Float32Array.of(7, 7)];
    format.narrow(Float32Array.of(0), codes);
    format.widen(Uint16Array.of(0), wide);
    expect([...codes, ...wide]).toEqual([0, 7, 0, 7]);
  });

  it("refuses a target that is too short", () => {
    expect(() => format.narrow(new Float32Array(3), new Uint16Array(2))).toThrow("holds 2 elements and the source 3");
    expect(() => format.widen(new Uint16Array(3), new Float32Array(2))).toThrow("holds 2 elements and the source 3");
  });
});
