import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Generator, philox } from "./random.ts";

const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

function moments(values: Float32Array): { mean: number; variance: number; skew: number; kurtosis: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const moment = (power: number) => values.reduce((sum, x) => sum + (x - mean) ** power, 0) / values.length;
  const variance = moment(2);
  return { mean, variance, skew: moment(3) / variance ** 1.5, kurtosis: moment(4) / variance ** 2 };
}

describe("philox", () => {
  // The known answers that Random123 publishes for philox4x32-10: counter, key, output.
  it.each([
    ["00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    ["ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    ["243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"],
  ])("counter %s, key %s", (counter, key, expected) => {
    const [c0, c1, c2, c3] = counter.split(" ").map((word) => Number.parseInt(word, 16));
    const [k0, k1] = key.split(" ").map((word) => Number.parseInt(word, 16));
    const out = new Uint32Array(4);
    philox(c0, c1, c2, c3, k0, k1, out);
    expect(Array.from(out, (word) => word.toString(16).padStart(8, "0")).join(" ")).toBe(expected);
  });

  it("agrees with the same rounds in BigInt", () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        let [x0, x1, x2, x3] = counter.map(BigInt);
        let [k0, k1] = key.map(BigInt);
        for (let round = 0; round < 10; round++) {
          const a = 0xd2511f53n * x0;
          const b = 0xcd9e8d57n * x2;
          [x0, x1, x2, x3] = [(b >> 32n) ^ x1 ^ k0, b & 0xffffffffn, (a >> 32n) ^ x3 ^ k1, a & 0xffffffffn];
          k0 = (k0 + 0x9e3779b9n) & 0xffffffffn;
          k1 = (k1 + 0xbb67ae85n) & 0xffffffffn;
        }
        const out = new Uint32Array(4);
        philox(...counter, ...key, out);
        expect(Array.from(out)).toEqual([x0, x1, x2, x3].map(Number));
      }),
    );
  });
});

describe("Generator", () => {
  type Fill = (generator: Generator, length: number) => number[];
  const fills: [string, Fill][] = [
    ["fillUniform", (g, n) => withFill(new Float32Array(n), (out) => g.fillUniform(out, -2, 3))],
    ["fillNormal", (g, n) => withFill(new Float32Array(n), (out) => g.fillNormal(out, 1, 2))],
    ["fillInt", (g, n) => withFill(new Int32Array(n), (out) => g.fillInt(out, -5, 2 ** 30 * 1.5))],
  ];
  function withFill<A extends Float32Array | Int32Array>(out: A, fill: (out: A) => void): number[] {
    fill(out);
    return Array.from(out);
  }

  it("maps the known words of seed 0 to uniforms, words high bits first", () => {
    const out = new Float32Array(4);
    new Generator(0).fillUniform(out);
    expect(Array.from(out, (x) => x * 2 ** 24)).toEqual([0x6627e8, 0xe169c5, 0xbc57ac, 0x9b00db]);
  });

  it("takes the whole seed into the key", () => {
    const out = new Float32Array(1);
    const words = new Uint32Array(4);
    new Generator(0x12345_9abcdef0).fillUniform(out);
    philox(0, 0, 0, 0, 0x9abcdef0, 0x12345, words);
    expect(out[0]).toBe((words[0] >>> 8) * 2 ** -24);
  });

  describe.each(fills)("%s", (_, fill) => {
    it("gives the same values however the fill is split, and after resuming from a state", () => {
      const length = fc.nat({ max: 40 });
      fc.assert(
        fc.property(seeds, fc.array(length, { maxLength: 6 }), length, (seed, parts, at) => {
          const total = parts.reduce((sum, n) => sum + n, 0);
          const whole = fill(new Generator(seed), total);
          const split = new Generator(seed);
          expect(parts.flatMap((n) => fill(split, n))).toEqual(whole);
          expect(split.offset).toBe(total);

          const resumed = new Generator(1);
          fill(resumed, 3);
          resumed.state = JSON.parse(JSON.stringify({ ...new Generator(seed).state, offset: Math.min(at, total) }));
          expect(fill(resumed, total - Math.min(at, total))).toEqual(whole.slice(at));
        }),
      );
    });

    it("works at positions beyond 2^32", () => {
      const far = new Generator(7);
      far.offset = 2 ** 35 + 1;
      const values = fill(far, 9);
      far.offset = 2 ** 35 + 5;
      expect(fill(far, 5)).toEqual(values.slice(4));
      expect(values).not.toEqual(fill(new Generator(7), 10).slice(1));
    });

    it("differs between seeds and between forks", () => {
      fc.assert(
        fc.property(seeds, fc.integer({ min: 0, max: 0xfffffffe }), (seed, stream) => {
          const parent = new Generator(seed);
          const draws = [
            parent,
            parent.fork(stream),
            parent.fork(stream + 1),
            parent.fork(stream).fork(stream),
            new Generator(seed === 0 ? 1 : seed - 1),
          ].map((generator) => fill(generator, 8).join());
          expect(new Set(draws).size).toBe(5);
        }),
      );
    });
  });

  it("forks by seed and stream alone, leaving the parent where it was", () => {
    const parent = new Generator(3);
    const before = parent.fork(5).state;
    parent.fillUniform(new Float32Array(11));
    expect(parent.fork(5).state).toEqual(before);
    expect(parent.offset).toBe(11);
    expect(before.offset).toBe(0);
  });

  it("keeps uniforms in [low, high) as f32, whatever the bounds", () => {
    const bound = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(seeds, bound, bound, (seed, a, b) => {
        const [low, high] = a <= b ? [a, b] : [b, a];
        const out = new Float32Array(64);
        new Generator(seed).fillUniform(out, low, high);
        for (const x of out) {
          expect(x).toBeGreaterThanOrEqual(low);
          if (low === high) expect(x).toBe(low);
          else expect(x).toBeLessThan(high);
        }
      }),
    );
    // 24-bit steps in [1, 2) would round to 2 about once in 2^25 draws; an interval of two values shows it immediately.
    const narrow = new Float32Array(1000);
    new Generator(1).fillUniform(narrow, 1, 1 + 2 ** -23);
    expect(new Set(narrow)).toEqual(new Set([1]));
  });

  it("has the moments of the uniform distribution", () => {
    const out = new Float32Array(200_000);
    new Generator(11).fillUniform(out);
    const { mean, variance, skew, kurtosis } = moments(out);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.003);
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.001);
    expect(Math.abs(skew)).toBeLessThan(0.02);
    expect(Math.abs(kurtosis - 1.8)).toBeLessThan(0.02);
  });

  it("has the moments and the tails of the normal distribution", () => {
    const out = new Float32Array(200_000);
    new Generator(12).fillNormal(out, 3, 0.5);
    const { mean, variance, skew, kurtosis } = moments(out);
    expect(Math.abs(mean - 3)).toBeLessThan(0.006);
    expect(Math.abs(variance - 0.25)).toBeLessThan(0.004);
    expect(Math.abs(skew)).toBeLessThan(0.03);
    expect(Math.abs(kurtosis - 3)).toBeLessThan(0.06);
    // P(|z| > 1, 2, 3).
    const beyond = [1, 2, 3].map((z) => out.filter((x) => Math.abs(x - 3) > z * 0.5).length / out.length);
    [0.31731, 0.0455, 0.0027].forEach((p, i) => {
      expect(Math.abs(beyond[i] - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / out.length));
    });
    // Neighbours share a pair of words and must not be correlated.
    let product = 0;
    for (let i = 0; i < out.length; i += 2) product += (out[i] - 3) * (out[i + 1] - 3);
    expect(Math.abs(product / (out.length / 2) / 0.25)).toBeLessThan(0.016);
  });

  it("draws integers evenly, within any range", () => {
    // For this range a plain multiply would give a third of the values twice the weight.
    const range = 3 * 2 ** 30;
    const out = new Int32Array(60_000);
    new Generator(13).fillInt(out, -(2 ** 31), -(2 ** 31) + range);
    const thirds = [0, 0, 0];
    for (const x of out) thirds[Math.floor((x + 2 ** 31) / 2 ** 30)]++;
    for (const count of thirds) expect(Math.abs(count - 20_000)).toBeLessThan(600);
    // Of each three values, a biased draw would hit one twice as often as the others.
    const residues = [0, 0, 0];
    for (const x of out) residues[(x + 2 ** 31) % 3]++;
    for (const count of residues) expect(Math.abs(count - 20_000)).toBeLessThan(600);

    const wide = fc.integer({ min: -(2 ** 31), max: 2 ** 31 });
    fc.assert(
      fc.property(seeds, wide, wide, (seed, a, b) => {
        fc.pre(a !== b);
        const values = new Int32Array(32);
        new Generator(seed).fillInt(values, Math.min(a, b), Math.max(a, b));
        for (const x of values) expect(x >= Math.min(a, b) && x < Math.max(a, b)).toBe(true);
      }),
    );
    const full = new Int32Array(1000);
    new Generator(14).fillInt(full, -(2 ** 31), 2 ** 31);
    expect(full.filter((x) => x < 0).length).toBeGreaterThan(400);
    expect(full.filter((x) => x >= 0).length).toBeGreaterThan(400);
  });

  it("permutes", () => {
    fc.assert(
      fc.property(seeds, fc.nat({ max: 300 }), (seed, n) => {
        const generator = new Generator(seed);
        const order = generator.permutation(n);
        expect(Array.from(order).sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(generator.offset).toBe(n);
        expect(new Generator(seed).permutation(n)).toEqual(order);
      }),
    );
    const counts = new Map<string, number>();
    const generator = new Generator(15);
    for (let i = 0; i < 12_000; i++) {
      const order = generator.permutation(4).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    for (const count of counts.values()) expect(Math.abs(count - 500)).toBeLessThan(110);
  });

  it("names what is wrong with an argument", () => {
    const generator = new Generator(0);
    expect(() => new Generator(-1)).toThrow("seed is -1");
    expect(() => new Generator(1.5)).toThrow("seed is 1.5");
    expect(() => generator.fillUniform(new Float32Array(1), 2, 1)).toThrow("low 2 and high 1");
    expect(() => generator.fillNormal(new Float32Array(1), 0, -1)).toThrow("std -1");
    expect(() => generator.fillInt(new Int32Array(1), 3, 3)).toThrow("low 3 and high 3");
    expect(() => generator.fillInt(new Int32Array(1), 0, 2 ** 31 + 1)).toThrow("high 2147483649");
    expect(() => generator.permutation(-1)).toThrow("n is -1");
    expect(() => generator.fork(-1)).toThrow("stream is -1");
    expect(() => {
      generator.offset = -4;
    }).toThrow("offset is -4");
    expect(() => {
      generator.state = { seed: 1, stream: [0, 2 ** 32], offset: 0 };
    }).toThrow("stream [0,4294967296]");
  });

  it("takes the ends of all ranges, and nothing beyond", () => {
    const generator = () => new Generator(0);
    const most = Number.MAX_SAFE_INTEGER;
    for (const seed of [0, most]) expect(new Generator(seed).state.seed).toBe(seed);
    for (const seed of [-1, 0.5, most + 1, Number.NaN]) expect(() => new Generator(seed)).toThrow(`seed is ${seed}`);
    for (const stream of [0, 2 ** 32 - 1]) expect(() => generator().fork(stream)).not.toThrow();
    for (const stream of [-1, 2 ** 32, 0.5]) expect(() => generator().fork(stream)).toThrow(`stream is ${stream}`);
    const state = (more: object) => () => {
      generator().state = { seed: 1, stream: [0, 0], offset: 0, ...more };
    };
    for (const stream of [
      [0, 2 ** 32 - 1],
      [2 ** 32 - 1, 0],
    ])
      expect(state({ stream })).not.toThrow();
    for (const stream of [[0], [0, 0, 0], [-1, 0], [0, 0.5], [2 ** 32, 0]]) {
      expect(state({ stream })).toThrow("is not two integers from 0 to 2^32 - 1");
    }
    expect(state({ offset: most })).not.toThrow();
    expect(state({ offset: most + 1 })).toThrow("offset is 9007199254740992");
    const uniform = (low: number, high: number) => () => generator().fillUniform(new Float32Array(4), low, high);
    for (const [low, high] of [
      [1, 1],
      [-3e38, 3e38],
    ]) {
      expect(uniform(low, high)).not.toThrow();
    }
    for (const [low, high] of [
      [2, 1],
      [0, Infinity],
      [-Infinity, 0],
      [Number.NaN, 1],
      [0, 1e39],
    ]) {
      expect(uniform(low, high)).toThrow(`fillUniform: low ${low} and high ${high} must be finite`);
    }
    const normal = (mean: number, std: number) => () => generator().fillNormal(new Float32Array(4), mean, std);
    expect(normal(1, 0)).not.toThrow();
    for (const [mean, std] of [
      [0, -1e-9],
      [Number.NaN, 1],
      [Infinity, 1],
      [0, Infinity],
      [0, Number.NaN],
    ]) {
      expect(normal(mean, std)).toThrow(`fillNormal: mean ${mean} and std ${std} must be finite`);
    }
    const out = new Float32Array(4);
    generator().fillNormal(out, 1.5, 0);
    expect([...out]).toEqual([1.5, 1.5, 1.5, 1.5]);
    const integers = (low: number, high: number) => () => generator().fillInt(new Int32Array(4), low, high);
    for (const [low, high] of [
      [0, 1],
      [-(2 ** 31), 2 ** 31],
      [2 ** 31 - 1, 2 ** 31],
    ]) {
      expect(integers(low, high)).not.toThrow();
    }
    for (const [low, high] of [
      [0, 0],
      [1, 0],
      [0.5, 2],
      [0, 1.5],
      [-(2 ** 31) - 1, 0],
      [0, 2 ** 31 + 1],
    ]) {
      expect(integers(low, high)).toThrow(`fillInt: low ${low} and high ${high} must be integers`);
    }
    expect([...generator().permutation(0)]).toEqual([]);
    expect([...generator().permutation(1)]).toEqual([0]);
    for (const n of [-1, 0.5, 2 ** 31 + 1]) expect(() => generator().permutation(n)).toThrow(`permutation: n is ${n}`);
  });

  it("fills from 0 to 1, and from N(0, 1), by default", () => {
    const [plain, given] = [new Float32Array(64), new Float32Array(64)];
    new Generator(4).fillUniform(plain);
    new Generator(4).fillUniform(given, 0, 1);
    expect(plain).toEqual(given);
    new Generator(4).fillNormal(plain);
    new Generator(4).fillNormal(given, 0, 1);
    expect(plain).toEqual(given);
  });

  it("forks by texts as by their FNV-1a hashes", () => {
    // Published values of 32-bit FNV-1a.
    for (const [text, hash] of [
      ["", 0x811c9dc5],
      ["a", 0xe40c292c],
      ["foobar", 0xbf9cf968],
    ] as const) {
      expect(new Generator(9).fork(text).state).toEqual(new Generator(9).fork(hash).state);
    }
  });
});
