import { Generator, init, noGrad, rand, randn, reference, type Tensor, to, zeros } from "@lowrank/core";
import { Conv1D, Linear, Parameter, quantizeLinear } from "@lowrank/nn";
import { getPeftModel, LoraConfig, type LoraOptions } from "@lowrank/peft";
import { OneLayer } from "@lowrank/test-support/oneLayer";
import { wasm } from "@lowrank/wasm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const stored = ["f32", "f16", "bf16", "nf4"] as const;

interface LayerShape {
  inputs: number;
  outputs: number;
  conv1d?: boolean;
  bias?: boolean;
}

type BaseLayer = Linear | Conv1D;

/** Returns a layer with random f32 weights. */
function drawn({ inputs, outputs, conv1d = false, bias = false }: LayerShape, seed: number): BaseLayer {
  const generator = new Generator(seed);
  const parameter = (shape: number[]) => new Parameter(rand(shape, { generator, low: -0.1, high: 0.1 }));
  const weight = parameter(conv1d ? [inputs, outputs] : [outputs, inputs]);
  return new (conv1d ? Conv1D : Linear)(weight, bias ? parameter([outputs]) : null);
}

/** Returns the layer with its weights stored in another format. */
function storedAs(layer: BaseLayer, as: (typeof stored)[number]): BaseLayer {
  if (as === "nf4") return quantizeLinear(layer);
  const parameter = (t: Tensor) => new Parameter(to(t.detach(), { dtype: as }));
  return new (layer instanceof Conv1D ? Conv1D : Linear)(parameter(layer.weight), layer.bias && parameter(layer.bias));
}

const bits = (model: { forward(x: Tensor): Tensor }, x: Tensor): Uint32Array => {
  const y = model.forward(x).dataSync() as Float32Array;
  return new Uint32Array(y.buffer, y.byteOffset, y.length);
};

/** Checks that a new adapter does not change a layer's output by a single bit, with and without gradients. */
async function expectSame(layer: BaseLayer, rows: number, options: LoraOptions): Promise<void> {
  const inputs = layer instanceof Conv1D ? layer.weight.shape[0] : layer.inFeatures;
  const x = randn([rows, inputs], { generator: new Generator(rows) });
  const before = bits(layer, x);
  const peft = await getPeftModel(new OneLayer(layer).eval(), new LoraConfig({ targetModules: ["layer"], ...options }));
  expect(bits(peft, x)).toEqual(before);
  expect(noGrad(() => bits(peft, x))).toEqual(before);
}

test("LoRA of rank 16 trains 131,072 of the 16,777,216 numbers of a layer 4096x4096: 128 times fewer", async () => {
  await init(wasm());
  const layer = new Linear(new Parameter(zeros([4096, 4096])));
  const peft = await getPeftModel(new OneLayer(layer), new LoraConfig({ r: 16, targetModules: ["layer"] }));
  const { trainable, all } = peft.getNbTrainableParameters();
  expect(trainable).toBe(131_072);
  expect(all - trainable).toBe(16_777_216);
  expect((all - trainable) / trainable).toBe(128);
});

describe("a fresh adapter changes nothing, to the last bit", () => {
  test("on a layer 1024x1024, in every way to store it, LoRA and DoRA", async () => {
    await init(wasm());
    const layer = drawn({ inputs: 1024, outputs: 1024 }, 1);
    for (const as of stored) {
      const base = storedAs(layer, as);
      for (const rows of [1, 17]) {
        for (const useDora of [false, true]) await expectSame(base, rows, { r: 16, useDora });
      }
      base.weight.dispose();
    }
  });

  test("on layers with few outputs and batches with more rows than inputs", async () => {
    await init(wasm());
    for (const outputs of [1, 3, 6, 7]) {
      for (const inputs of [16, 50, 300]) {
        for (const conv1d of [false, true]) {
          const layer = drawn({ inputs, outputs, conv1d }, outputs);
          for (const as of stored) {
            for (const useDora of [false, true]) await expectSame(storedAs(layer, as), 2 * inputs, { r: 2, useDora });
          }
        }
      }
    }
  });

  test.each([
    ["WebAssembly", wasm],
    ["the reference", reference],
  ] as const)("on layers of all sizes and kinds, in %s", async (_, backend) => {
    await init(backend());
    const size = fc.integer({ min: 1, max: 70 });
    const shape = fc.record({ inputs: size, outputs: size, conv1d: fc.boolean(), bias: fc.boolean() });
    const start = fc.constantFrom<LoraOptions>(
      {},
      { initLoraWeights: "gaussian" },
      { loraBias: true },
      { useDora: true },
    );
    const [rows, r, seed] = [fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 9 }), fc.nat()];
    await fc.assert(
      fc.asyncProperty(shape, fc.constantFrom(...stored), rows, r, start, seed, (s, as, n, r, options, k) =>
        expectSame(storedAs(drawn(s, k), as), n, { r, ...options }),
      ),
      { numRuns: 300 },
    );
  });
});
