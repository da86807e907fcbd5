import { describe, expect, it } from "vitest";
import { watchGenerators } from "../autograd/recordings.ts";
import { philox as drawn, Generator } from "./random.ts";

const mask = 0xffffffffn;

/** Philox4x32-10 as Salmon et al. 2011 define it, in integers of any size. */
function philox(counter: readonly bigint[], key: readonly bigint[]): bigint[] {
  let [x0, x1, x2, x3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [p0, p1] = [0xd2511f53n * x0, 0xcd9e8d57n * x2];
    [x0, x1, x2, x3] = [(p1 >> 32n) ^ x1 ^ k0, p1 & mask, (p0 >> 32n) ^ x3 ^ k1, p0 & mask];
    [k0, k1] = [(k0 + 0x9e3779b9n) & mask, (k1 + 0xbb67ae85n) & mask];
  }
  return [x0, x1, x2, x3];
}

interface Source {
  readonly seed: number;
  readonly stream: readonly [number, number];
}

const halves = (value: number): [bigint, bigint] => [BigInt(value) & mask, BigInt(value) >> 32n];

/** Returns the word at a position. Attempts after the first replace rejected words. */
function wordAt({ seed, stream }: Source, position: number, attempt = 0): bigint {
  const [low, high] = halves(Math.floor(position / 4));
  const counter = [low, high | (BigInt(attempt) << 20n), BigInt(stream[0]), BigInt(stream[1])];
  return philox(counter, halves(seed))[position % 4];
}

/** An integer from 0 to range - 1 without bias (Lemire 2019). */
function below(source: Source, position: number, range: number): number {
  const least = 2n ** 32n % BigInt(range);
  for (let attempt = 0; ; attempt++) {
    const product = wordAt(source, position, attempt) * BigInt(range);
    if ((product & mask) >= least) return Number(product >> 32n);
  }
}

function forked({ seed, stream }: Source, name: number): Source {
  const words = philox([BigInt(name), mask, BigInt(stream[0]), BigInt(stream[1])], halves(seed));
  return { seed, stream: [Number(words[0]), Number(words[1])] };
}

const states = [
  { seed: 0, stream: [0, 0], offset: 0 },
  { seed: 2 ** 53 - 1, stream: [7, 2 ** 32 - 1], offset: 5 },
  // Blocks of more than 32 bits.
  { seed: 2 ** 40 + 123, stream: [2 ** 31, 9], offset: 2 ** 36 + 2 },
] satisfies { seed: number; stream: [number, number]; offset: number }[];

describe.each(states)("from $seed, $stream, $offset", (state) => {
  const made = () => {
    const generator = new Generator(1);
    generator.state = state;
    return generator;
  };
  const count = 41;
  const positions = Array.from({ length: count }, (_, i) => state.offset + i);

  it("uniform values are the upper 24 bits of the words", () => {
    const out = new Float32Array(count);
    made().fillUniform(out);
    expect([...out]).toEqual(positions.map((at) => Number(wordAt(state, at) >> 8n) * 2 ** -24));
    made().fillUniform(out, -3, 5);
    expect([...out]).toEqual(positions.map((at) => Math.fround(-3 + Number(wordAt(state, at) >> 8n) * 2 ** -21)));
  });

  it("normal values are cosines and sines of pairs of words (Box and Muller 1958)", () => {
    for (const [mean, std] of [
      [0, 1],
      [3, 0.5],
    ]) {
      const out = new Float32Array(count);
      const generator = made();
      generator.fillNormal(out, mean, std);
      for (const [i, at] of positions.entries()) {
        const first = at - (at % 2);
        const radius = Math.sqrt(-2 * Math.log((Number(wordAt(state, first)) + 1) / 2 ** 32));
        const angle = (2 * Math.PI * Number(wordAt(state, first + 1))) / 2 ** 32;
        expect(out[i]).toBeCloseTo(mean + std * radius * (at % 2 === 0 ? Math.cos(angle) : Math.sin(angle)), 5);
      }
      expect(generator.offset).toBe(state.offset + count);
    }
  });

  it("integers are unbiased for every range", () => {
    for (const [low, high] of [
      [0, 10],
      [-5, 6],
      [-(2 ** 31), 2 ** 31],
      [-(2 ** 30), 2 ** 31],
      [3, 4],
    ]) {
      const out = new Int32Array(count);
      made().fillInt(out, low, high);
      expect([...out]).toEqual(positions.map((at) => low + below(state, at, high - low)));
    }
  });

  it("a permutation exchanges each place with one before it (Fisher and Yates)", () => {
    const expected: number[] = [];
    for (const [i, at] of positions.entries()) {
      const j = below(state, at, i + 1);
      expected[i] = expected[j];
      expected[j] = i;
    }
    expect([...made().permutation(count)]).toEqual(expected);
  });

  it("each fork has a separate stream, also a fork of a fork", () => {
    for (const name of [0, 1, 2 ** 32 - 1]) {
      const child = made().fork(name);
      const source = forked(state, name);
      expect(child.state).toEqual({ seed: state.seed, stream: source.stream, offset: 0 });
      expect(child.fork(3).state.stream).toEqual(forked(source, 3).stream);
    }
  });
});

it("values below 0 and at the smallest steps stay below the upper end", () => {
  const out = new Float32Array(500);
  const smallest = 2 ** -149;
  new Generator(1).fillUniform(out, -smallest, 0);
  expect(new Set(out)).toEqual(new Set([-smallest]));
  // Between 1 and 2 there are 2^23 values, so that steps of 2^-24 round to 2.
  for (const [low, high] of [
    [1, 2],
    [-2, -1],
    [1, 1 + 2 ** -23],
  ]) {
    new Generator(1).fillUniform(out, low, high);
    expect(Math.max(...out)).toBeLessThan(high);
    expect(Math.min(...out)).toBeGreaterThanOrEqual(low);
  }
});

it("products of words carry from their lower halves", () => {
  const out = new Uint32Array(4);
  for (const word of [2968888533, 2994704473, 3020520413]) {
    drawn(word, 1, 2, 3, 4, 5, out);
    expect([...out]).toEqual(philox([BigInt(word), 1n, 2n, 3n], [4n, 5n]).map(Number));
  }
});

it("the upper end of a narrow range is the value below it", () => {
  const out = new Float32Array(500);
  const step = 2 ** -23;
  for (const start of [1, -1 - 2 * step]) {
    new Generator(1).fillUniform(out, start, start + 2 * step);
    expect(new Set(out)).toEqual(new Set([start, start + step]));
  }
});

it("generators that an inner watch finds are found by the outer one, in their first state", () => {
  const [a, b] = [new Generator(1), new Generator(2)];
  const outer = watchGenerators(() => {
    a.offset = 3;
    return watchGenerators(() => {
      a.offset = 5;
      b.offset = 7;
    });
  });
  const offsets = (found: typeof outer.found) => [...found].map(([generator, { offset }]) => [generator, offset]);
  expect(offsets(outer.result.found)).toEqual([
    [a, 3],
    [b, 0],
  ]);
  expect(offsets(outer.found)).toEqual([
    [a, 0],
    [b, 0],
  ]);
  expect(watchGenerators(() => a.offset).found.size).toBe(0);
});
