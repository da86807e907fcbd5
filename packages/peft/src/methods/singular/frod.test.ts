import { copyInto, init, noGrad, reference, type Tensor, tensor } from "@lowrank/core";
import { Linear, Module, ModuleList, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { Basis, blockOf, categoryOf, jointBasis } from "./frodBasis.ts";
import { FrodConfig, type FrodOptions } from "./frodConfig.ts";

beforeAll(() => init(reference()));

const targets = ["layers.0.up", "layers.1.up"];
const put = (options: FrodOptions = {}, model = new TinyModel()) =>
  getPeftModel(model.eval(), new FrodConfig({ targetModules: targets, ...options }));
const logits = async (model: Parameters<typeof logitBits>[0]) => new Float32Array((await logitBits(model)).buffer);

/** The values of conformance/python/method_layers.py. */
const wave = (length: number, k: number) =>
  Float32Array.from({ length }, (_, i) => 0.9 * Math.sin(0.37 * i * i + 1.7 * i + k + 1));

test.each([
  ["model.layers.3.self_attn.q_proj", "self_attn_q_proj", 3],
  ["encoder.layer.11.attention.output.dense", "attention_output", 11],
  ["encoder.layer.11.output.dense", "output_dense", 11],
  ["h.2.up", "up", 2],
  ["layers.norm.5.up", "up", 5],
  ["lm_head", "lm_head", 7],
  ["score.out", "score_out", 7],
])("%s is in the category %s of block %d", (path, category, block) => {
  expect(categoryOf(path)).toBe(category);
  expect(blockOf(path, 7)).toBe(block);
});

describe("the basis of several weights is PEFT's, except for signs of columns", () => {
  // Recorded with peft.tuners.frod.model._projection_from_weights of PEFT 0.21.2.
  test.each([
    [[4, 4, 4], 1e-3, [-1.79282, -1.16606, -0.4958, 1.4718, -0.8676, -1.3904, -0.94758, 1.60926, -1.18086]],
    [[4, 2, 5], 0.1, [1.78582, 0.54121, 1.39612, -1.66469, -0.36055, 1.24461, 0.70545, -1.94626, -0.55462]],
  ])("rows %j, alpha %d", (rows, alpha, expected) => {
    const v = jointBasis(
      rows.map((out, k) => wave(3 * out, k)),
      3,
      alpha,
    )!;
    for (let column = 0; column < 3; column++) {
      const sign = Math.sign(v[column]) * Math.sign(expected[column]);
      for (let i = column; i < 9; i += 3) expect(sign * v[i]).toBeCloseTo(expected[i], 4);
    }
  });

  test("few rows: the right singular vectors, and orthonormal vectors for the rest", () => {
    const v = jointBasis([wave(4, 0), wave(8, 1)], 4, 1e-3)!;
    const expected = [-0.70317, 0.65914, 0.25345];
    const [sign0, sign1, sign2] = [0, 1, 2].map((k) => Math.sign(v[k] / expected[k]));
    for (const [at, sign, value] of [
      [0, sign0, -0.70317],
      [4, sign0, 0.44149],
      [13, sign1, 0.45083],
      [10, sign2, -0.9581],
    ])
      expect(sign * v[at]).toBeCloseTo(value, 4);
    for (let a = 0; a < 4; a++) {
      for (let b = 0; b < 4; b++) {
        const product = [0, 1, 2, 3].reduce((sum, i) => sum + v[4 * i + a] * v[4 * i + b], 0);
        expect(product).toBeCloseTo(a === b ? 1 : 0, 12);
      }
    }
  });
});

test("a weight is written exactly in a basis, and approximately in a singular one", () => {
  const v = wave(9, 5);
  const w = wave(6, 2);
  const product = (basis: Float32Array) => {
    const { u, lengths } = new Basis(basis, 3).coordinates(w);
    return Array.from({ length: 6 }, (_, at) =>
      [0, 1, 2].reduce((sum, k) => sum + u[3 * Math.floor(at / 3) + k] * lengths[k] * basis[3 * (at % 3) + k], 0),
    );
  };
  for (const [i, value] of product(v).entries()) expect(value).toBeCloseTo(w[i], 5);
  // The last input lies outside this basis.
  const singular = Float32Array.from(v, (x, i) => (i < 6 ? x : 0));
  for (const [i, value] of product(singular).entries()) expect(value).toBeCloseTo(i % 3 === 2 ? 0 : w[i], 5);
});

test("a new adapter changes nothing but rounding, and its trained elements are at PEFT's places", async () => {
  const before = await logits(new TinyModel().eval());
  const peft = await put({ sparseRate: 0.2, projectionPrngKey: 7 });
  for (const [i, value] of (await logits(peft)).entries()) expect(value).toBeCloseTo(before[i], 5);
  const indices = peft.base_model.buffers("default").get("base_model.frod_s_indices.up") as Tensor;
  // torch.randperm of 30 places with the seed 7.
  expect([...(await indices.data())]).toEqual([3, 3, 0, 2, 1, 5, 5, 0, 2, 1, 5, 3, 2, 4]);
});

test("U follows from the V of a file: columns with other signs give the same outputs", async () => {
  const peft = await put({ sparseRate: 0 });
  train(peft, 2);
  const expected = await logits(peft.eval());
  const files = await peft.adapterFiles();
  const load = async (change: (peft: PeftModel<TinyModel>) => Promise<void>) => {
    const loaded = await PeftModel.fromPretrained(new TinyModel().eval(), files as never);
    await change(loaded as PeftModel<TinyModel>);
    return logits(loaded);
  };
  expect(await load(async () => {})).toEqual(expected);
  const flipped = await load(async (loaded) => {
    const v = loaded.base_model.buffers("default").get("base_model.frod_V.up") as Tensor;
    const values = (await v.data()).map((x, i) => (i % 6 === 1 ? -x : x)) as Float32Array;
    noGrad(() => copyInto(v, tensor(values, { shape: v.shape })));
    await loaded.base_model.valuesRead("default");
  });
  for (const [i, value] of flipped.entries()) expect(value).toBeCloseTo(expected[i], 5);
});

class Block extends Module {
  q: UnaryModule;

  constructor(outputs: number, inputs: number, values = wave(outputs * inputs, inputs)) {
    super();
    this.q = new Linear(new Parameter(tensor(values, { shape: [outputs, inputs] })));
  }
}

class Pair extends Module {
  layers: ModuleList<Block>;

  constructor(...blocks: Block[]) {
    super();
    this.layers = new ModuleList(blocks);
  }

  forward(x: Tensor): Tensor {
    return x;
  }
}

test("layers with other numbers of inputs cannot share a basis", async () => {
  const config = new FrodConfig({ targetModules: ["q"] });
  await expect(getPeftModel(new Pair(new Block(4, 3), new Block(4, 5)), config)).rejects.toThrow(
    "layers.0.q has 3 inputs, but layers.1.q has 5; layers of the category q share a basis: leave one of them out",
  );
});

test("a matrix that cannot be inverted is refused with the option that helps", async () => {
  const pair = () => new Pair(new Block(2, 3, new Float32Array(6)), new Block(4, 3));
  const config = new FrodConfig({ targetModules: ["q"], regularizationAlpha: 0 });
  await expect(getPeftModel(pair(), config)).rejects.toThrow(
    "q: a matrix is singular with regularizationAlpha 0; choose a larger value",
  );
  await getPeftModel(pair(), config.with({ regularizationAlpha: 1e-3 }));
});

test("files with positions outside of the matrix are refused", async () => {
  const peft = await put({ sparseRate: 0.1 });
  const indices = peft.base_model.buffers("default").get("base_model.frod_s_indices.up") as Tensor;
  noGrad(() => copyInto(indices, tensor(new Int32Array(indices.size).fill(6), { shape: indices.shape })));
  await expect(peft.base_model.valuesRead("default")).rejects.toThrow(
    "frod_s_indices.up has row 6 and column 6, but the basis is [6,6]",
  );
});

test("quantised weights are refused", async () => {
  const model = new TinyModel({ quantize: { quantType: "nf4" } });
  await expect(put({}, model)).rejects.toThrow("layers.0.up is nf4, but FROD needs singular vectors of its weight");
});

test("all that trains changes in a step", async () => {
  const peft = await put({ sparseRate: 0.2 });
  peft.loss(tinyBatch()).backward();
  for (const parameter of peft.base_model.trained("default").values()) {
    expect(Math.max(...((await parameter.grad!.data()) as Float32Array).map(Math.abs))).toBeGreaterThan(0);
  }
});
