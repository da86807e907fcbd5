import { init, ones, randn, reference, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import { JsonFields } from "../config/jsonFields.ts";
import { ropeKindOf } from "./rope/ropeKinds.ts";
import { inverseFrequencies, RotaryEmbedding, ropePositions } from "./rope.ts";
import { type RopeConfig, readRope, ropeToHf } from "./ropeConfig.ts";

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
  expect(() => rotary.at(9, 0, null, true)).toThrow(
    'type "dynamic" depends on the length of a text if it has more than 8 tokens',
  );
});

it("a list of factors has one for each pair that turns", () => {
  expect(() => read({ ...long, short_factor: [1, 2] }, 131072)).toThrow("short_factor is [1,2]; expected a list of 24");
});

describe("a rotary embedding", () => {
  /** Rotates pairs of elements half of the rotated part apart, as transformers' rotate_half does. */
  function rotated(x: Tensor, positions: number[], config: RopeConfig, length: number): number[] {
    const [rows, tokens, heads, size] = x.shape;
    const dim = size * config.partialRotaryFactor;
    const frequencies = inverseFrequencies(config, dim, length);
    const factor = (config.scaling && ropeKindOf(config.scaling).attentionFactor?.(config.scaling)) ?? 1;
    const values = [...x.dataSync()];
    const out = [...values];
    for (let i = 0; i < rows * tokens * heads; i++) {
      const position = positions[Math.floor(i / heads)];
      for (let k = 0; k < dim / 2; k++) {
        const [a, b] = [values[i * size + k], values[i * size + k + dim / 2]];
        const [cos, sin] = [Math.cos, Math.sin].map((f) => factor * f(position * frequencies[k]));
        out[i * size + k] = a * cos - b * sin;
        out[i * size + k + dim / 2] = b * cos + a * sin;
      }
    }
    return out;
  }
  const close = (found: Tensor, expected: number[]) => {
    for (const [i, value] of found.dataSync().entries()) expect(value).toBeCloseTo(expected[i], 3);
  };
  const count = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i);
  const configs: [string, RopeConfig, number][] = [
    ["plain", read({}, 256), 64],
    ["with wide heads", readRope(new JsonFields({}, "c"), { headDim: 256, maxPositionEmbeddings: 256 }), 256],
    ["of a part of the head", read({ partial_rotary_factor: 0.5 }, 256), 64],
    ["dynamic", read({ rope_type: "dynamic", factor: 4 }, 8), 64],
    ["yarn", read({ rope_type: "yarn", factor: 4, original_max_position_embeddings: 64 }, 256), 64],
  ];

  it.each(configs)("%s rotates texts of growing and of smaller lengths", (_name, config, headDim) => {
    const embedding = new RotaryEmbedding(config, headDim, 256);
    for (const [tokens, offset] of [
      [4, 0],
      [64, 0],
      [5, 60],
      [3, 97],
      [2, 3],
      [2, 126],
      [2, 127],
    ]) {
      const x = randn([1, tokens, 1, headDim]);
      close(embedding.at(tokens, offset, null)(x), rotated(x, count(offset, tokens), config, tokens + offset));
    }
  });

  it("rotates by given positions, up to the largest one", () => {
    const embedding = new RotaryEmbedding(read({}, 256), 64, 256);
    const x = randn([2, 2, 1, 64]);
    const positions = [0, 64, 3, 3];
    const ids = tensor(positions, { shape: [2, 2], dtype: "i32" });
    for (const largest of [64, null]) {
      close(embedding.at(2, 0, { ids, largest })(x), rotated(x, positions, read({}, 256), 1));
    }
    const dynamic = new RotaryEmbedding(read({ rope_type: "dynamic", factor: 16 }, 8), 64, 8);
    close(
      dynamic.at(2, 0, { ids, largest: 64 })(x),
      rotated(x, positions, read({ rope_type: "dynamic", factor: 16 }, 8), 65),
    );
    expect(() => dynamic.at(2, 0, { ids, largest: null })).toThrow(
      'forward: RoPE scaling of type "dynamic" depends on the largest position; give maxPosition, the largest value of positionIds',
    );
  });

  it("refuses several long texts, and takes one", () => {
    const dynamic = new RotaryEmbedding(read({ rope_type: "dynamic", factor: 2 }, 8), 64, 8);
    for (const several of [false, undefined]) expect(() => dynamic.at(9, 0, null, several)).not.toThrow();
    expect(() => dynamic.at(8, 0, null, true)).not.toThrow();
    expect(() => dynamic.at(8, 1, null, true)).toThrow("depends on the length of a text if it has more than 8 tokens");
  });

  it("follows a change of the backend", async () => {
    const embedding = new RotaryEmbedding(read({}, 256), 64, 256);
    embedding.at(2, 0, null)(randn([1, 2, 1, 64]));
    await init(reference());
    const x = randn([1, 2, 1, 64]);
    close(embedding.at(2, 0, null)(x), rotated(x, [0, 1], read({}, 256), 2));
  });
});

it("the share of a head that turns is written unless it is the whole head", () => {
  expect(ropeToHf(read({}, 64))).toEqual({ rope_theta: 10000, rope_scaling: null });
  expect(ropeToHf(read({ partial_rotary_factor: 0.5 }, 64))).toMatchObject({ partial_rotary_factor: 0.5 });
});

it("llama3 scaling divides wavelengths above the original length over the low factor", () => {
  const scaling = {
    ...{ type: "llama3" as const, factor: 8, lowFreqFactor: 2, highFreqFactor: 4 },
    originalMaxPositionEmbeddings: 1000,
  };
  const plain = inverseFrequencies({ theta: 10_000, scaling: null }, 128);
  const found = inverseFrequencies({ theta: 10_000, scaling }, 128);
  for (const [i, f] of plain.entries()) {
    const turns = (1000 * f) / (2 * Math.PI);
    const smooth = Math.min(1, Math.max(0, (turns - 2) / (4 - 2)));
    expect(found[i] / f).toBeCloseTo((1 - smooth) / 8 + smooth, 5);
  }
});
