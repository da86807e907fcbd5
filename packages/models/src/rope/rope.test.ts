import { init, ones, reference } from "@lowrank/core";
import { beforeAll, expect, it } from "vitest";
import { JsonFields } from "../config/jsonFields.ts";
import { ropeKindOf } from "./rope/ropeKinds.ts";
import { inverseFrequencies, RotaryEmbedding, ropePositions } from "./rope.ts";
import { readRope } from "./ropeConfig.ts";

it("frequencies fall from 1 to nearly 1 / theta", () => {
  expect(Array.from(inverseFrequencies({ theta: 10_000, scaling: null }, 4))).toEqual([1, Math.fround(0.01)]);
});

it("linear scaling divides all of them", () => {
  const plain = inverseFrequencies({ theta: 10_000, scaling: null }, 8);
  const scaled = inverseFrequencies({ theta: 10_000, scaling: { type: "linear", factor: 4 } }, 8);
  expect(Array.from(scaled)).toEqual(Array.from(plain, (f) => f / 4));
});

it("llama3 scaling keeps the fast ones, divides the slow ones and joins them smoothly", () => {
  const scaling = {
    ...{ type: "llama3" as const, factor: 8, lowFreqFactor: 1, highFreqFactor: 4 },
    originalMaxPositionEmbeddings: 8192,
  };
  const plain = inverseFrequencies({ theta: 500_000, scaling: null }, 128);
  const ratios = inverseFrequencies({ theta: 500_000, scaling }, 128).map((f, i) => f / plain[i]);
  expect(ratios[0]).toBe(1);
  expect(ratios[63]).toBeCloseTo(1 / 8, 6);
  const between = ratios.filter((r) => r > 0.126 && r < 0.999);
  expect(between.length).toBeGreaterThan(3);
  expect(Array.from(between)).toEqual(Array.from(between).sort((a, b) => b - a));
});

/** Little-endian f32 from torch 2.15, computed by transformers' formulas with Llama 3.1's scaling. */
const recorded = [
  {
    theta: 100000,
    headDim: 64,
    plain:
      "AACAPwalMj/PU/k+//ytPiPUcj4JdCk+1n/sPVYJpT3CVWY9HbwgPdJU4DyXi5w88ntaPAV3GDwVytQ7rn2UOzg+TzvbnhA7XNfJOtvZjDqMlEQ6Ai4JOtd0vzmpmoU5U3c6OSsfAjkbm7U41HV9OFLfMDiW2vY3HUOsN21rcDc=",
    llama3:
      "AACAPwalMj/PU/k+//ytPiPUcj4JdCk+1n/sPVYJpT3CVWY9HbwgPdJU4DyXi5w88ntaPAV3GDwVytQ7rn2UOzg+TzuLg8I6IB0pOvpUiDmMlMQ4Ai6JONd0PzipmgU4U3e6NysfgjcbmzU31HX9NlLfsDaW2nY2HUMsNm1r8DU=",
  },
  {
    theta: 10000,
    headDim: 80,
    plain:
      "AACAPxhZSz9rhiE/zk0AP7TUyz6b6KE+zJuAPptQTD4GSyI++ukAPs3MzD2traI9VTiBPUtJTT2RECM944YBPRPGzTyuc6M8oNWBPCpDTjwK1yM8jCQCPInAzjujOqQ7pHOCOzg+Tzt4niQ78cICOzK8zzqEAqU6bxKDOno6UDrUZiU6HGIDOge50Dlgy6U5+rGDOeg3UTkoMCY5BAIEOQ==",
    llama3:
      "AACAPxhZSz9rhiE/zk0AP7TUyz6b6KE+zJuAPptQTD4GSyI++ukAPs3MzD2traI9VTiBPUtJTT2RECM944YBPRPGzTyuc6M8oNWBPCpDTjwK1yM8jCQCPInAzjujOqQ7pHOCOzg+Tzv9zgE7r9eaOgooNTp/+s052ftfOdSL4TjUZqU4HGKDOAe5UDhgyyU4+rEDOOg30TcoMKY3BAKENw==",
  },
];

it.each(recorded)("theta $theta, head size $headDim: transformers' frequencies, to the bit", (golden) => {
  const base64 = (numbers: Float32Array) => btoa(String.fromCharCode(...new Uint8Array(numbers.buffer)));
  const { theta, headDim } = golden;
  const scaling = {
    ...{ type: "llama3" as const, factor: 8, lowFreqFactor: 1, highFreqFactor: 4 },
    originalMaxPositionEmbeddings: 8192,
  };
  expect(base64(inverseFrequencies({ theta, scaling: null }, headDim))).toBe(golden.plain);
  expect(base64(inverseFrequencies({ theta, scaling }, headDim))).toBe(golden.llama3);
});

beforeAll(() => init(reference()));

const numbers = (scale: number) => Array.from({ length: 24 }, (_, i) => 1 + scale * i);
const long = {
  ...{ rope_type: "longrope", rope_theta: 1e4, partial_rotary_factor: 0.75, original_max_position_embeddings: 4096 },
  ...{ short_factor: numbers(0.01), long_factor: numbers(0.7) },
};
const read = (parameters: object, maxPositionEmbeddings: number) =>
  readRope(new JsonFields({ rope_parameters: parameters }, "config.json"), { headDim: 64, maxPositionEmbeddings });

/** Frequencies and the factor of cos and sin, from transformers 5.24's function for each type. */
it.each([
  {
    name: "yarn",
    config: read({ rope_type: "yarn", factor: 4, rope_theta: 1e6, original_max_position_embeddings: 32768 }, 131072),
    length: 1,
    base64:
      "AACAP+A9Jj+b6Nc+BDWMPocYNj7Wf+w9DZSZPT92Rz3jhgE9izmoPPJ7Wjwt4Q08j+moOwtvRzuTHek6k4+GOtfqGDpEO6o59D04Oe1tvzhTdzo44izyN6RDnTe+P0w3sqIENx1DrDZPul8240gRNsGwvDVwEHU15CMfNXmvzjQ=",
    factor: 1.138629436111989,
  },
  {
    name: "yarn of whole settings",
    config: read(
      {
        ...{ rope_type: "yarn", factor: 40, rope_theta: 1e4, original_max_position_embeddings: 4096 },
        ...{ mscale: 0.75, mscale_all_dim: 1, truncate: false, beta_fast: 32, beta_slow: 1 },
      },
      163840,
    ),
    length: 1,
    base64:
      "AACAPxH5Pz+a9Q8/m+jXPpvooT4j1HI+hxg2PneNCD7NzMw9DZSZPcJVZj17WCU94gHjPGqAmjzYIFA8FGIKPDIDtTvKr2c7QOYPOzYQqzptbz06F3G3OeJG+Dhx1As4F7fRN6NDnTfw3Gs3Ud8wN7OiBDfd7MY2QiyVNk+6XzY=",
    factor: 0.932629996003703,
  },
  {
    name: "dynamic, for a long text",
    config: read({ rope_type: "dynamic", factor: 2, rope_theta: 1e4 }, 2048),
    length: 5000,
    base64:
      "AACAP9vANz9K5QM/ili9Pu/ohz7LG0M+2gsMPvMLyT0AT5A9XypPPVqzFD13eNU87jmZPK/3WzzE4x08hqniO/CxojuHj2k7jKUnO0Wr8Dq9v6w6Z/53Oq8BMjqaiv85l2y3Oc6ogzm2AT05m6oHOVPCwjihy4s4wa9IONIMEDg=",
    factor: 1,
  },
  {
    name: "dynamic, for a short text",
    config: read({ rope_type: "dynamic", factor: 2, rope_theta: 1e4 }, 2048),
    length: 5,
    base64:
      "AACAPxH5Pz+a9Q8/m+jXPpvooT4j1HI+hxg2PneNCD7NzMw9DZSZPcJVZj0Vuiw944YBPU9Dwjw5rZE88ntaPArXIzywufU7nES4O3cuijs4Pk87DWkbOygV6TqOya46bxKDOoyURDoWahM6JRfdOWDLpTkVqHg5U3c6OXLUCzk=",
    factor: 1,
  },
  {
    name: "longrope, for a short text",
    config: read(long, 131072),
    length: 4096,
    base64:
      "AACAPxavLD9U/eg+XjGdPgMhVD44JQ8+IjXBPY1mgj1aCTA9/qntPFZyoDwGp1g8JUkSPAeQxTvOaoU7GzY0O61v8zoHb6Q66ydeOscUFjpNy8o5KwWJOdArOTmUQvo4",
    factor: 1.1902380714238083,
  },
  {
    name: "longrope, for a long text",
    config: read(long, 131072),
    length: 4097,
    base64:
      "AACAP2swzT6HCkY+E+rQPbI5aD00mgU92YmdPP0wPTylcuY7gfKNO8Z9MDuKIt06NXCLOgzUMDqrU+E5SCuQOdErOTm8nu44zTOaOA/URzjLyQE4ZfaoNxpmXDdhAhA3",
    factor: 1.1902380714238083,
  },
])("$name: transformers' frequencies, to a unit of the last place", ({ config, length, base64, factor }) => {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const expected = new Float32Array(bytes.buffer);
  const dim = 64 * config.partialRotaryFactor;
  const own = inverseFrequencies(config, dim, length);
  expect(own.length).toBe(expected.length);
  for (const [i, f] of own.entries()) expect(Math.abs(f / expected[i] - 1), `frequency ${i}`).toBeLessThan(2.4e-7);
  expect(ropeKindOf(config.scaling!).attentionFactor?.(config.scaling!) ?? 1).toBeCloseTo(factor, 12);
});

it("texts among others are those for which no length turns anything", () => {
  const dynamic = read({ rope_type: "dynamic", factor: 2 }, 8);
  expect(ropePositions(dynamic, 16)).toEqual({ sharedPositions: 8, cachedPositions: 16 });
  expect(ropePositions(read(long, 131072), 131072)).toEqual({ sharedPositions: 4096, cachedPositions: 4096 });
  expect(ropePositions(read({}, 64), 64)).toEqual({ sharedPositions: 64, cachedPositions: 64 });
  const rotary = new RotaryEmbedding(dynamic, 64, 8);
  expect(rotary.at(8, 0, null, true)(ones([1, 8, 1, 64])).shape).toEqual([1, 8, 1, 64]);
  expect(() => rotary.at(9, 0, null, true)).toThrow('type "dynamic" goes by a text\'s length beyond 8 tokens');
});

it("a list of factors has one for each pair that turns", () => {
  expect(() => read({ ...long, short_factor: [1, 2] }, 131072)).toThrow("short_factor is [1,2]; expected a list of 24");
});
