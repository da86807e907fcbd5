import { type Backend, Generator, reference, type SamplingOptions, tensor } from "@lowrank/core";
import { sampleToken, sampleTokens } from "@lowrank/core/internal";
import { beforeAll, describe, expect, it } from "vitest";
import { wasm } from "./wasm.ts";

let backends: Record<string, Backend>;
beforeAll(async () => {
  const { supports, ...rest } = reference();
  const composed = { ...rest, name: "composed", supports: (op: { name: string }) => op.name !== "sampleTokens" };
  backends = { reference: reference(), wasm: await wasm(), composed: composed as Backend };
});

const tokens = 61;
const rows = 500;

/** Settings of twenty rounds of 500 rows. */
const settings: SamplingOptions[] = [
  {},
  { temperature: 0.6 },
  { temperature: 1.7 },
  { topK: 1 },
  { topK: 5 },
  { topK: 60, temperature: 2.5 },
  { topK: 61 },
  { topP: 0.9 },
  { topP: 0.3 },
  { topP: 1e-6 },
  { topP: 0.999, temperature: 3 },
  { minP: 0.05 },
  { minP: 0.5 },
  { minP: 1 },
  { minP: 0.1, topP: 0.8 },
  { topK: 20, topP: 0.7 },
  { topK: 20, minP: 0.1 },
  { temperature: 0.7, topK: 40, topP: 0.95, minP: 0.02 },
  { temperature: 0.2, topP: 0.5 },
  { temperature: 5, topK: 10, topP: 0.99, minP: 0.3 },
];

/** Rows of normally distributed logits; every third round has many ties, and some tokens are excluded. */
function logitsOf(round: number): Float32Array {
  const values = new Float32Array(rows * tokens);
  new Generator(round).fillNormal(values, 0, 2);
  const tied = round % 3 === 0 ? values.map((v) => Math.round(v)) : values;
  return tied.map((v, i) => (i % 17 === 5 ? -Infinity : v));
}

/** Positions at which the generator of seed 1 draws a quarter, a half, and almost 1. */
const offsets = { quarter: 710033, half: 964332, most: 34 };

const quarters = [2, 2, 2, 2];
const nothing = -Infinity;

/** Draws exactly at a boundary: the row, the settings, the random value, and the token. */
const ties: [name: string, row: number[], options: SamplingOptions, number: keyof typeof offsets, token: number][] = [
  ["a number that the first token just reaches goes to the next", quarters, {}, "quarter", 1],
  ["one that two tokens just reach goes to the third", quarters, {}, "half", 2],
  ["a token without probability is passed over", [1, nothing, nothing, 1], {}, "half", 3],
  ["the last token has the rest", [1, 1, nothing, nothing], {}, "most", 1],
  ["top-k keeps all that equal the k-th", [1, 3, 3, 3], { topK: 2 }, "most", 3],
  ["top-p stops at the token with which it is reached exactly", quarters, { topP: 0.5 }, "most", 1],
  ["top-p takes equals in the order of their index", quarters, { topP: 0.25 }, "most", 0],
  ["min-p keeps a token of just that share", quarters, { minP: 1 }, "most", 3],
  ["a NaN gives no token", [0, Number.NaN, 5, 1], {}, "half", -1],
  ["an infinite logit gives no token", [0, Infinity, 5, 1], {}, "half", -1],
  ["-Infinity alone gives no token", [nothing, nothing, nothing, nothing], {}, "half", -1],
];

async function compare(backend: Backend): Promise<string[]> {
  const differing: string[] = [];
  for (const [round, options] of settings.entries()) {
    const values = logitsOf(round);
    using logits = tensor(values, { shape: [rows, tokens], backend });
    using drawn = sampleTokens(logits, { ...options, generator: new Generator(100 + round) });
    const uniforms = new Float32Array(rows);
    new Generator(100 + round).fillUniform(uniforms);
    for (const [row, token] of (await drawn.data()).entries()) {
      const expected = sampleToken(values.subarray(row * tokens, (row + 1) * tokens), uniforms[row], options);
      if (token !== expected) differing.push(`round ${round}, row ${row}: ${token} for ${expected}`);
    }
  }
  return differing;
}

describe("sampleTokens draws what the host draws, on 10,000 rows", () => {
  it("in the kernel", async () => expect(await compare(backends.wasm)).toEqual([]));

  it("composed of other ops", async () => expect(await compare(backends.composed)).toEqual([]));

  describe.each(ties)("%s", (_name, row, options, number, token) => {
    it.each(["reference", "wasm", "composed"])("%s", async (name) => {
      const generator = new Generator(1);
      generator.offset = offsets[number];
      using logits = tensor([row], { backend: backends[name] });
      using drawn = sampleTokens(logits, { ...options, generator });
      expect(Array.from(await drawn.data())).toEqual([token]);
      expect(generator.offset).toBe(offsets[number] + 1);
    });
  });
});
