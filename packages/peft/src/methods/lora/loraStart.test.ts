import {
  affine,
  copyInto,
  Generator,
  init,
  matmul,
  noGrad,
  randn,
  reference,
  type Tensor,
  to,
  truncatedSvd,
} from "@lowrank/core";
import { Conv1D, Embedding, Linear, Parameter, quantizeLinear } from "@lowrank/nn";
import { OneLayer } from "@lowrank/test-support/oneLayer";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { LoraConfig } from "./loraConfig.ts";
import { loraScaling } from "./loraScaling.ts";

beforeAll(() => init(reference()));

const samples = fc
  .record({
    conv1d: fc.boolean(),
    half: fc.boolean(),
    out: fc.integer({ min: 1, max: 12 }),
    from: fc.integer({ min: 1, max: 12 }),
    loraAlpha: fc.constantFrom<number>(0.5, 3, 16),
    useRslora: fc.boolean(),
    useDora: fc.boolean(),
    seed: fc.integer({ min: 0, max: 1000 }),
  })
  .chain((sample) =>
    fc.record({ ...literal(sample), r: fc.integer({ min: 1, max: Math.min(sample.out, sample.from) }) }),
  );

function literal<T extends object>(values: T): { [K in keyof T]: fc.Arbitrary<T[K]> } {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, fc.constant(value)])) as never;
}

type Sample = typeof samples extends fc.Arbitrary<infer T> ? T : never;

/** Returns a layer, its original weight [out, in] in f32, and the model with an adapter. */
async function make(initLoraWeights: string | boolean, { conv1d, half, out, from, seed, ...options }: Sample) {
  const generator = new Generator(seed);
  const draw = () => to(randn([out, from], { generator: new Generator(seed) }), { dtype: half ? "bf16" : "f32" });
  const before = draw();
  const weight = new Parameter(conv1d ? draw().transpose(0, 1) : draw());
  const layer = conv1d ? new Conv1D(weight) : new Linear(weight);
  const model = new OneLayer(layer);
  const config = new LoraConfig({ ...options, initLoraWeights, targetModules: ["layer"] });
  const peft = await getPeftModel(model, config, { generator, onWarning: () => {} });
  const [a, b] = ["A", "B"].map((name) => peft.adapterTensors().get(`base_model.model.layer.lora_${name}.weight`)!);
  const now = to(conv1d ? layer.weight.detach().transpose(0, 1) : layer.weight.detach(), { dtype: "f32" });
  return {
    peft,
    layer,
    config,
    a,
    b,
    before: to(before, { dtype: "f32" }),
    now,
    scaling: loraScaling(config, "layer"),
  };
}

const numbers = (t: Tensor) => t.dataSync() as Float32Array;

const largest = (values: ArrayLike<number>) => Math.max(1, ...Array.from(values, Math.abs));

function expectClose(actual: Float32Array, expected: ArrayLike<number>, tolerance: number) {
  for (const [i, x] of actual.entries()) expect(Math.abs(x - expected[i])).toBeLessThan(tolerance * largest(expected));
}

/**
 * Error bound: the roundings of a few f32 sums of up to 12 products; for half precision, one rounding of the residual,
 * which may be large.
 */
const tolerance = ({ half }: Sample, now: Tensor) => (half ? 2 ** -8 : 5e-6) * largest(numbers(now));

describe.each(["pissa", "pissa_niter_4", "olora"])("%s", (start) => {
  test("what it takes out of the base weight is what the adapter gives", async () => {
    await fc.assert(
      fc.asyncProperty(samples, async (sample) => {
        const { a, b, before, now, scaling, peft } = await make(start, sample);
        const product = affine(matmul(b, a), { scale: scaling });
        expectClose(numbers(product.add(now)), numbers(before), tolerance(sample, now));
        const x = randn([3, sample.from], { generator: new Generator(9) });
        const plain = numbers(matmul(x, before, { transposeB: true }));
        expectClose(numbers(peft.forward(x)), plain, 8 * tolerance(sample, now));
      }),
      { numRuns: 60 },
    );
  });

  test("a base in 4 bits is an error with advice", async () => {
    const full = new Linear(new Parameter(randn([8, 64], { generator: new Generator(1) })));
    const model = new OneLayer(quantizeLinear(full));
    const config = new LoraConfig({ r: 2, initLoraWeights: start, targetModules: ["layer"] });
    await expect(getPeftModel(model, config)).rejects.toThrow(
      /layer is nf4: load the model without quantize, and call quantizeBase/,
    );
  });

  test("a rank above the weight's is an error", async () => {
    const model = new OneLayer(new Linear(new Parameter(randn([3, 8], { generator: new Generator(1) }))));
    const config = new LoraConfig({ r: 4, initLoraWeights: start, targetModules: ["layer"] });
    await expect(getPeftModel(model, config)).rejects.toThrow("the rank is 4; a weight [3,8] allows at most 3");
  });

  test("an adapter loaded on the original base sets its weights anew, so that it answers as before", async () => {
    const sample = {
      conv1d: true,
      half: false,
      out: 6,
      from: 9,
      r: 2,
      loraAlpha: 3,
      useRslora: true,
      useDora: true,
      seed: 5,
    };
    const { peft } = await make(start, sample);
    for (const t of peft.adapterTensors().values()) noGrad(() => copyInto(t, t.detach().add(0.1)));
    const x = randn([3, 9], { generator: new Generator(9) });
    const again = (await make(true, sample)).peft.unload();
    const codes: string[] = [];
    const onWarning = ({ code }: Warning) => void codes.push(code);
    const loaded = await PeftModel.fromPretrained(again, await peft.adapterFiles(), { onWarning });
    expect(codes.includes("start-not-repeatable")).toBe(start === "pissa_niter_4");
    expect(numbers(loaded.forward(x))).toEqual(numbers(peft.forward(x)));
  });
});

test("pissa takes the largest singular values, olora the first part of the QR decomposition", async () => {
  await fc.assert(
    fc.asyncProperty(samples, async (sample) => {
      const { out, from, r } = sample;
      const { before, now } = await make("pissa", { ...sample, half: false });
      const [whole, rest] = [before, now].map((w) => truncatedSvd(numbers(w), out, from, Math.min(out, from)).values);
      const expected = [...whole.slice(r), ...new Float64Array(r)];
      for (const [i, value] of rest.entries()) expect(value).toBeCloseTo(expected[i], 2);
      const { a, b } = await make("olora", { ...sample, half: false });
      const identity = Float32Array.from({ length: r * r }, (_, i) => (i % (r + 1) === 0 ? 1 : 0));
      expectClose(numbers(matmul(b, b, { transposeA: true })), identity, 1e-6);
      for (let i = 1; i < r; i++) for (let j = 0; j < i; j++) expect(numbers(a)[i * from + j]).toBe(0);
    }),
    { numRuns: 40 },
  );
});

test("pissa_niter leaves hardly more than pissa, and the same every time", async () => {
  const sample = {
    conv1d: false,
    half: false,
    out: 30,
    from: 40,
    r: 3,
    loraAlpha: 5,
    useRslora: false,
    useDora: false,
  };
  for (const seed of [1, 2, 3]) {
    const started = async (start: string) => {
      const { now, a } = await make(start, { ...sample, seed });
      return { rest: numbers(now).reduce((sum, x) => sum + x * x, 0), a: numbers(a) };
    };
    const [exact, quick] = [await started("pissa"), await started("pissa_niter_16")];
    const [again, none] = [await started("pissa_niter_16"), await started("pissa_niter_0")];
    expect(quick.rest / exact.rest).toBeCloseTo(1, 5);
    expect(quick.a).toEqual(again.a);
    expect(none.rest).toBeGreaterThan(quick.rest);
    expectClose(quick.a, exact.a, 0.02);
  }
});

test("orthogonal: neither matrix is zero, their product is, and the base weight stays", async () => {
  await fc.assert(
    fc.asyncProperty(samples, async (sample) => {
      const { a, b, before, now } = await make("orthogonal", { ...sample, r: 2 * sample.r });
      expect(numbers(now)).toEqual(numbers(before));
      for (const t of [a, b]) {
        const draws = t.size / 2;
        // A single normal sample may be arbitrarily close to 0, but not three samples at once.
        expect(Math.max(...numbers(t).map(Math.abs))).toBeGreaterThan(draws < 3 ? 0 : 1e-4);
      }
      expectClose(numbers(matmul(b, a)), new Float32Array(sample.out * sample.from), 1e-7);
    }),
    { numRuns: 40 },
  );
});

test("on an embedding A is zero or normal, and B normal, with a standard deviation of 1", async () => {
  const spread = async (initLoraWeights: boolean) => {
    const model = new OneLayer(new Embedding(600, 500));
    const config = new LoraConfig({ r: 4, initLoraWeights, targetModules: ["layer"] });
    const peft = await getPeftModel(model, config, { generator: new Generator(1), onWarning: () => {} });
    return [...peft.adapterTensors().values()].map((t) => Math.hypot(...numbers(t)) / Math.sqrt(t.size));
  };
  const [zero, b] = await spread(true);
  expect(zero).toBe(0);
  for (const value of [b, ...(await spread(false))]) expect(Math.abs(value - 1)).toBeLessThan(0.1);
});

describe('initLoraWeights: "mica"', () => {
  const mica = { r: 2, initLoraWeights: "mica", targetModules: ["layer"] };
  const weightOf = (shape: number[], seed = 3) => randn(shape, { generator: new Generator(seed) });

  test.each([
    ["linear, tall", () => new Linear(new Parameter(weightOf([7, 4]))), false],
    ["linear, wide", () => new Linear(new Parameter(weightOf([4, 7]))), false],
    ["conv1d", () => new Conv1D(new Parameter(weightOf([4, 7])), new Parameter(weightOf([7]))), true],
    ["embedding", () => new Embedding(new Parameter(weightOf([9, 5]))), true],
  ])("%s: A is zero, B has the smallest left singular vectors, and only A trains", async (_, make, transposed) => {
    const layer = make();
    const peft = await getPeftModel(new OneLayer(layer), new LoraConfig(mica));
    const [[, a], [key, b]] = [...peft.adapterTensors()];
    expect(a.dataSync().every((value) => value === 0)).toBe(true);
    expect([a, b].map((tensor) => tensor.requiresGrad)).toEqual([true, false]);
    expect(peft.getNbTrainableParameters().trainable).toBe(a.size);
    const w = transposed ? layer.weight.transpose(0, 1) : layer.weight;
    const [rows, columns] = w.shape;
    const most = Math.min(rows, columns);
    const { values } = truncatedSvd([...w.dataSync()], rows, columns, most);
    // The products with W have the lengths of the smallest singular values, and B has orthonormal columns.
    const lengths = matmul(b, w, { transposeA: true });
    const gram = (x: Tensor) => matmul(x, x, { transposeB: true }).dataSync();
    const square = values.slice(-2).map((value) => value ** 2);
    const expected = [square[0], 0, 0, square[1]];
    for (const [i, value] of gram(lengths).entries()) expect(Math.abs(value - expected[i])).toBeLessThan(1e-5);
    for (const [i, value] of gram(b.transpose(0, 1)).entries()) expect(value).toBeCloseTo([1, 0, 0, 1][i], 5);

    const again = await PeftModel.fromPretrained(new OneLayer(layer), await peft.adapterFiles(), { isTrainable: true });
    expect(again.adapterTensors().get(key)?.requiresGrad).toBe(false);
    expect([...again.adapterTensors().get(key)!.dataSync()]).toEqual([...b.dataSync()]);
  });

  test("a weight of lower rank still gives orthonormal columns", async () => {
    const weight = matmul(weightOf([6, 1]), weightOf([1, 4], 4));
    const peft = await getPeftModel(new OneLayer(new Linear(new Parameter(weight))), new LoraConfig(mica));
    const b = [...peft.adapterTensors().values()][1];
    const gram = matmul(b, b, { transposeA: true }).dataSync();
    for (const [i, value] of gram.entries()) expect(value).toBeCloseTo([1, 0, 0, 1][i], 5);
  });

  test("what it cannot do is refused", async () => {
    const layer = new Linear(new Parameter(weightOf([4, 64])));
    const packed = quantizeLinear(layer, { quantType: "nf4" });
    await expect(getPeftModel(new OneLayer(packed), new LoraConfig(mica))).rejects.toThrow(
      '"mica" needs base weights that are not quantised, but layer is nf4',
    );
    await expect(getPeftModel(new OneLayer(layer), new LoraConfig({ ...mica, r: 5 }))).rejects.toThrow(
      "a weight [4,64] allows at most 4",
    );
    expect(() => new LoraConfig({ ...mica, useDora: true })).toThrow(
      'useDora is true; it must be false with initLoraWeights: "mica"',
    );
    const plain = await getPeftModel(new OneLayer(layer), new LoraConfig({ ...mica, initLoraWeights: true }));
    const frozen = await getPeftModel(new OneLayer(layer), new LoraConfig(mica));
    await expect(plain.hotswapAdapter(await frozen.adapterFiles())).rejects.toThrow(
      'hotswapAdapter: initLoraWeights is "mica" in the new files, but true in adapter "default"',
    );
  });
});
