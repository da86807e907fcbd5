import { Generator, init, randn, reference, type Tensor, tensor } from "@lowrank/core";
import { Conv1D, LayerNorm, Parameter, RMSNorm } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { conv1D } from "../architectures/gpt2/model.ts";
import { type Init, ParameterPath } from "../model/parameters.ts";
import { lastTokenRows } from "./lastToken.ts";
import { layerNorm, ScaledLayerNorm } from "./layerNorm.ts";
import { rmsNorms } from "./rmsNorms.ts";
import { routedExperts } from "./routedExperts.ts";
import { ShortConv } from "./shortConv.ts";

beforeAll(() => init(reference()));

const listOf = (t: Tensor) => [...t.dataSync()].map(Number);
const close = (found: Tensor, expected: number[]) => {
  expect(found.size).toBe(expected.length);
  for (const [i, value] of listOf(found).entries()) expect(value).toBeCloseTo(expected[i], 5);
};

/** Returns a path to new parameters, and a record of their shapes and initial values. */
function recording() {
  const asked: Record<string, [shape: readonly number[], start: Init | undefined]> = {};
  const generator = new Generator(1);
  const path = new ParameterPath((name, shape, start) => {
    asked[name] = [shape, start];
    return new Parameter(randn(shape, { generator }));
  }, "a");
  return { asked, path };
}

describe("the last token of a sequence", () => {
  /** Hidden states [B, T, 2], in which row t of sequence b is (10 b + t, 0 - t). */
  const hidden = (B: number, T: number) => {
    const values = Array.from({ length: B * T }, (_, i) => [10 * Math.floor(i / T) + (i % T), 0 - (i % T)]).flat();
    return tensor(values, { shape: [B, T, 2] });
  };
  const ids = (rows: number[][]) => tensor(rows, { dtype: "i32" });
  const rows = (padTokenId: number | null, of: number[][], virtual = 0) =>
    listOf(lastTokenRows(hidden(of.length, of[0].length + virtual), ids(of), padTokenId, "Bert"));

  it("is the last one that is not padding", () => {
    expect(
      rows(0, [
        [5, 6, 0],
        [7, 0, 0],
        [8, 9, 4],
      ]),
    ).toEqual([1, -1, 10, 0, 22, -2]);
    expect(
      rows(9, [
        [5, 6, 0],
        [9, 9, 9],
      ]),
    ).toEqual([2, -2, 10, 0]);
    // Padding within a sequence does not end it.
    expect(rows(0, [[5, 0, 6]])).toEqual([2, -2]);
  });

  it("is after virtual tokens", () => {
    expect(
      rows(
        0,
        [
          [5, 6, 0],
          [7, 0, 0],
        ],
        2,
      ),
    ).toEqual([3, -3, 12, -2]);
  });

  it("of one sequence needs no padding token", () => {
    expect(rows(null, [[5, 6, 0]])).toEqual([2, -2]);
    expect(() => rows(null, [[5], [6]])).toThrow(
      "Bert: the config has no pad_token_id; classify one sequence at a time",
    );
  });
});

describe("routed experts", () => {
  const experts = [1, 10, 100].map((factor) => ({ forward: (x: Tensor) => x.mul(factor) }));
  const logits = [Math.log(5), Math.log(3), Math.log(2)];
  const run = (perToken: number, normalises: boolean, scale?: number[]) => {
    const x = tensor([1, 2], { shape: [1, 1, 2] });
    const router = tensor(logits, { shape: [1, 1, 3] });
    const more = scale && { scale: tensor(scale) };
    return routedExperts(x, router, experts, { perToken, normalises, ...more });
  };

  it("add the outputs of the most likely ones by their shares", () => {
    // The shares are 0.5, 0.3 and 0.2.
    close(run(1, false), [0.5, 1]);
    close(run(2, false), [0.5 + 3, 2 * 3.5]);
    close(run(3, false), [0.5 + 3 + 20, 2 * 23.5]);
    expect(run(2, false).shape).toEqual([1, 1, 2]);
  });

  it("have shares with a sum of 1, and a factor of each expert", () => {
    close(run(1, true), [1, 2]);
    close(run(2, true), [(5 + 30) / 8, (2 * 35) / 8]);
    close(run(2, true, [2, 4, 8]), [(10 + 120) / 8, (2 * 130) / 8]);
  });

  it("differ from token to token", () => {
    const x = tensor([1, 1], { shape: [1, 2, 1] });
    const router = tensor([9, 0, 0, 0, 0, 9], { shape: [1, 2, 3] });
    close(routedExperts(x, router, experts, { perToken: 1, normalises: true }), [1, 100]);
  });
});

describe("a short convolution", () => {
  const [hiddenSize, taps] = [2, 3];

  it.each([true, false])("gates, mixes the last tokens and projects, with bias %s", (bias) => {
    const { path, asked } = recording();
    const layer = new ShortConv(path, { hiddenSize, taps, bias });
    const shapes = Object.fromEntries(Object.entries(asked).map(([name, [shape]]) => [name, shape]));
    const biases = { "a.conv.bias": [2], "a.in_proj.bias": [6], "a.out_proj.bias": [2] };
    expect(shapes).toEqual({
      ...{ "a.conv.weight": [2, 1, 3], "a.in_proj.weight": [6, 2], "a.out_proj.weight": [2, 2] },
      ...(bias ? biases : {}),
    });
    if (bias) expect(asked["a.conv.bias"][1]).toEqual({ value: 0 });

    const x = randn([1, 4, 2], { generator: new Generator(3) });
    const batch = {
      unpadded: (rows: Tensor) => rows.mul(2),
      earlier: (index: number, rows: Tensor, count: number) => {
        expect([index, count]).toEqual([5, taps - 1]);
        const values = listOf(rows);
        return Array.from({ length: count }, (_, k) => {
          const moved = [...Array(2 * (k + 1)).fill(0), ...values].slice(0, values.length);
          return tensor(moved, { shape: rows.shape });
        });
      },
    };
    const projected = listOf((layer.in_proj as never as { forward(x: Tensor): Tensor }).forward(x.mul(2)));
    const weight = listOf(layer.conv.weight);
    const mixed: number[] = [];
    for (let t = 0; t < 4; t++) {
      for (let d = 0; d < hiddenSize; d++) {
        let sum = layer.conv.bias ? listOf(layer.conv.bias)[d] : 0;
        for (let k = 0; k < taps && k <= t; k++) {
          const at = (t - k) * 6;
          sum += weight[d * taps + taps - 1 - k] * projected[at + d] * projected[at + 4 + d];
        }
        mixed.push(sum * projected[t * 6 + 2 + d]);
      }
    }
    const expected = layer.out_proj.forward(tensor(mixed, { shape: [1, 4, 2] }));
    close(layer.forward(x, 5, batch), listOf(expected));
  });
});

describe("norms and linear layers of a path", () => {
  it("start with weights of 1 and biases of 0", () => {
    const { path, asked } = recording();
    const norm = layerNorm(path, "n", 3, 0.5);
    expect(norm).toBeInstanceOf(LayerNorm);
    expect(norm.eps).toBe(0.5);
    layerNorm(path, "", 2, 0.5);
    const scaled = new ScaledLayerNorm(path.at("s"), 2, 0.25);
    expect([scaled.eps, scaled.layerKind]).toEqual([0.25, "norm"]);
    const rms = rmsNorms(0.125)(path.at("r"), 4);
    expect(rms).toBeInstanceOf(RMSNorm);
    expect(rms.eps).toBe(0.125);
    expect(conv1D(path, "c", 2, 3)).toBeInstanceOf(Conv1D);
    const one = { value: 1 };
    expect(asked).toEqual({
      ...{ "a.n.weight": [[3], one], "a.n.bias": [[3], { value: 0 }] },
      ...{ "a.weight": [[2], one], "a.bias": [[2], { value: 0 }], "a.s.weight": [[2], one], "a.r.weight": [[4], one] },
      ...{ "a.c.weight": [[2, 3], expect.anything()], "a.c.bias": [[3], { value: 0 }] },
    });
  });

  it("a scaled norm has no bias", () => {
    const norm = new ScaledLayerNorm(recording().path, 2, 0);
    const [first, second] = listOf(norm.weight);
    close(norm.forward(tensor([1, 3], { shape: [1, 2] })), [-first, second]);
  });
});
