import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkLogits } from "./samplingOptions.ts";
import { sampleToken, tokenProbabilities } from "./tokenProbabilities.ts";

// The softmax of these is 0.1, 0.4, 0.2, 0.3.
const logits = Float32Array.from([0.1, 0.4, 0.2, 0.3], Math.log);
const rounded = (values: Float64Array) => Array.from(values, (v) => Number(v.toFixed(6)));

test("logits that allow no choice are refused", () => {
  checkLogits(Float32Array.of(-Infinity, -5));
  expect(() => checkLogits(Float32Array.of(1, 2, Number.NaN))).toThrow("the logit of token 2 is NaN");
  expect(() => checkLogits(Float32Array.of(0, Infinity))).toThrow("the largest logit is Infinity");
  expect(() => checkLogits([])).toThrow("empty");
});

describe("tokenProbabilities", () => {
  test("is the softmax", () => expect(rounded(tokenProbabilities(logits))).toEqual([0.1, 0.4, 0.2, 0.3]));

  test("temperature 0.5 squares the odds", () => {
    const squares = [0.01, 0.16, 0.04, 0.09].map((p) => Number((p / 0.3).toFixed(6)));
    expect(rounded(tokenProbabilities(logits, { temperature: 0.5 }))).toEqual(squares);
  });

  test("topK keeps the likeliest, and those as likely as the last of them", () => {
    expect(rounded(tokenProbabilities(logits, { topK: 2 }))).toEqual([0, 0.571429, 0, 0.428571]);
    expect(rounded(tokenProbabilities([1, 1, 1, 0], { topK: 2 }))).toEqual([0.333333, 0.333333, 0.333333, 0]);
    expect(rounded(tokenProbabilities(logits, { topK: 9 }))).toEqual([0.1, 0.4, 0.2, 0.3]);
  });

  test("topP keeps the fewest that reach it, at least one", () => {
    expect(rounded(tokenProbabilities(logits, { topP: 0.65 }))).toEqual([0, 0.571429, 0, 0.428571]);
    expect(rounded(tokenProbabilities(logits, { topP: 0.75 }))).toEqual([0, 0.444444, 0.222222, 0.333333]);
    expect(rounded(tokenProbabilities(logits, { topP: 1e-9 }))).toEqual([0, 1, 0, 0]);
  });

  test("topP counts what topK has left", () => {
    expect(rounded(tokenProbabilities(logits, { topK: 3, topP: 0.7 }))).toEqual([0, 0.571429, 0, 0.428571]);
  });

  test("minP keeps those at least as likely as that share of the likeliest", () => {
    expect(rounded(tokenProbabilities(logits, { minP: 0.6 }))).toEqual([0, 0.571429, 0, 0.428571]);
    expect(rounded(tokenProbabilities([0, 0, -1, -2], { minP: 1 }))).toEqual([0.5, 0.5, 0, 0]);
    expect(rounded(tokenProbabilities(logits, { minP: 0.4, topP: 0.95 }))).toEqual([0, 0.444444, 0.222222, 0.333333]);
  });

  test("names a bad option", () => {
    expect(() => tokenProbabilities(logits, { temperature: 0 })).toThrow("temperature is 0");
    expect(() => tokenProbabilities(logits, { topK: -1 })).toThrow("topK is -1");
    expect(() => tokenProbabilities(logits, { topP: 0 })).toThrow("topP is 0");
    expect(() => tokenProbabilities(logits, { minP: 2 })).toThrow("minP is 2");
    expect(() => tokenProbabilities(Float32Array.of(Number.NaN))).toThrow("NaN");
  });
});

describe("options of drawing", () => {
  const draw = (options: object) => () => tokenProbabilities(logits, options);

  test("take the ends of their ranges", () => {
    for (const options of [
      ...[{ temperature: 1e-3 }, { topK: 0 }, { topK: 1 }, { topP: 1 }, { topP: 1e-9 }, { minP: 0 }, { minP: 1 }],
    ]) {
      expect(draw(options)).not.toThrow();
    }
  });

  test("refuse what is beyond", () => {
    for (const temperature of [0, -1, Number.NaN])
      expect(draw({ temperature })).toThrow(`temperature is ${temperature}`);
    for (const topK of [-1, 0.5, Number.NaN]) expect(draw({ topK })).toThrow(`topK is ${topK}`);
    for (const topP of [0, -0.1, 1.001, Number.NaN]) expect(draw({ topP })).toThrow(`topP is ${topP}`);
    for (const minP of [-0.001, 1.001, Number.NaN]) expect(draw({ minP })).toThrow(`minP is ${minP}`);
  });

  test("change nothing by default", () => {
    const all = { temperature: 1, topK: 0, topP: 1, minP: 0 };
    expect(tokenProbabilities(logits)).toEqual(tokenProbabilities(logits, all));
    expect(rounded(tokenProbabilities(logits, { temperature: undefined }))).toEqual([0.1, 0.4, 0.2, 0.3]);
  });

  test("topK keeps so many tokens, and all where there are fewer", () => {
    for (const topK of [1, 2, 3, 4, 5]) {
      const kept = [...tokenProbabilities(logits, { topK })].filter((p) => p > 0).length;
      expect(kept).toBe(Math.min(topK, 4));
    }
  });

  test("topP stops when what came before reaches it exactly", () => {
    const quarters = [0, 0, 0, 0];
    expect([...tokenProbabilities(quarters, { topP: 0.5 })]).toEqual([0.5, 0.5, 0, 0]);
    expect([...tokenProbabilities(quarters, { topP: 0.51 })].filter((p) => p > 0)).toHaveLength(3);
    expect([...tokenProbabilities(quarters, { minP: 1 })]).toEqual([0.25, 0.25, 0.25, 0.25]);
    // Among equal tokens, the lower index comes first, after the more probable tokens.
    const [a, b, c, d] = tokenProbabilities([0, 1, 0, 1], { topP: 0.74 });
    expect(c).toBe(0);
    expect([a / b, b / d]).toEqual([expect.closeTo(Math.exp(-1), 12), 1]);
  });

  test("topP of 1 keeps tokens after those whose sum rounds to 1", () => {
    const found = tokenProbabilities([0, -40], { topP: 1, minP: 1e-300 });
    expect(found[1]).toBeGreaterThan(0);
  });

  test("uniform numbers are from 0 to below 1", () => {
    for (const uniform of [-1e-9, 1, Number.NaN]) {
      expect(() => sampleToken(logits, uniform)).toThrow(`uniform is ${uniform}; expected a number in [0, 1)`);
    }
    expect(sampleToken([-Infinity, 0, -Infinity], 0)).toBe(1);
    expect([0, 0.25, 0.5, 0.75].map((uniform) => sampleToken([0, 0, 0, 0], uniform))).toEqual([0, 1, 2, 3]);
    // Rounding can leave a total below 1: then the last token with a probability is drawn.
    expect(sampleToken([...Array(10).fill(0), -Infinity], 1 - 2 ** -53)).toBe(9);
  });
});

describe("sampleToken", () => {
  test("follows the cumulated probabilities", () => {
    const draws = [0, 0.0999, 0.1001, 0.4999, 0.5001, 0.6999, 0.7001, 0.9999].map((u) => sampleToken(logits, u));
    expect(draws).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(() => sampleToken(logits, 1)).toThrow("uniform is 1");
  });

  test("never draws a token without probability", () => {
    const values = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 30 });
    const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const options = fc.record({
      temperature: fc.double({ min: 0.1, max: 5, noNaN: true }),
      topK: fc.nat(40),
      topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
      minP: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(values, uniform, options, (l, u, o) => {
        const probabilities = tokenProbabilities(l, o);
        expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
        expect(probabilities[sampleToken(l, u, o)]).toBeGreaterThan(0);
        expect(probabilities[l.indexOf(Math.max(...l))]).toBeGreaterThan(0);
      }),
    );
  });
});
