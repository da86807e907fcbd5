import { copyInto, Generator, init, noGrad, randn, reference, scope, type Tensor, tensor, to } from "@lowrank/core";
import { Conv1D, Embedding, Linear, Parameter } from "@lowrank/nn";
import { OneLayer } from "@lowrank/test-support/oneLayer";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { logitBits, TinyModel, tinyBatch } from "../../testing/tinyModel.ts";
import { LoraConfig } from "./loraConfig.ts";
import { loraScaling } from "./loraScaling.ts";

beforeAll(() => init(reference()));

type Kind = "linear" | "conv1d" | "embedding";

const shapes = fc.record({
  kind: fc.constantFrom<Kind>("linear", "conv1d", "embedding"),
  dtype: fc.constantFrom("f32" as const, "f16" as const, "bf16" as const),
  inFeatures: fc.integer({ min: 1, max: 24 }),
  outFeatures: fc.integer({ min: 1, max: 24 }),
  rows: fc.integer({ min: 1, max: 5 }),
  r: fc.integer({ min: 1, max: 6 }),
  loraAlpha: fc.constantFrom(1, 3, 8, 16, 0.5),
  useRslora: fc.boolean(),
  bias: fc.boolean(),
  loraBias: fc.boolean(),
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
});

type Sample = typeof shapes extends fc.Arbitrary<infer T> ? T : never;

/** Returns a layer, its adapter with random values in both matrices, and an input. */
async function make({ kind, dtype: wanted, inFeatures, outFeatures, rows, seed, ...options }: Sample) {
  // The embedding op reads f32 tables only.
  const dtype = kind === "embedding" ? "f32" : wanted;
  const generator = new Generator(seed);
  const draw = (shape: number[]) => new Parameter(to(randn(shape, { generator }), { dtype }));
  const weight = draw(kind === "linear" ? [outFeatures, inFeatures] : [inFeatures, outFeatures]);
  const bias = options.bias && kind !== "embedding" ? draw([outFeatures]) : null;
  const layer =
    kind === "linear" ? new Linear(weight, bias) : kind === "conv1d" ? new Conv1D(weight, bias) : new Embedding(weight);
  const { r, loraAlpha, useRslora } = options;
  const loraBias = options.loraBias && kind !== "embedding";
  const config = new LoraConfig({ r, loraAlpha, useRslora, loraBias, targetModules: ["layer"] });
  const ids = Int32Array.from({ length: rows }, (_, i) => (seed + i) % inFeatures);
  const x = kind === "embedding" ? tensor(ids) : randn([rows, inFeatures], { generator });
  const peft = await getPeftModel(new OneLayer(layer), config, { generator });
  return { kind, dtype, layer, peft, config, x, ids, generator };
}

const bytesOf = async (t: Tensor) => t.bytes();
const numbers = async (t: Tensor | undefined | null) => (t ? ((await t.data()) as Float32Array) : undefined);

test("a fresh adapter changes no bit of a layer's output", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (sample) => {
      const { peft, x } = await make(sample);
      const plain = await peft.disableAdapter(() => bytesOf(peft.forward(x)));
      expect(await bytesOf(peft.forward(x))).toEqual(plain);
    }),
    { numRuns: 60 },
  );
});

test("a bias on an embedding is refused, as by PEFT", async () => {
  const model = new OneLayer(new Embedding(new Parameter(randn([5, 3], { generator: new Generator(0) }))));
  const config = new LoraConfig({ r: 1, loraBias: true, targetModules: ["layer"] });
  await expect(getPeftModel(model, config)).rejects.toThrow(
    "LoRA puts no bias on embeddings; leave layer out of targetModules, or loraBias",
  );
});

/**
 * Error bounds. Both sides sum the same products. Each of at most n = in + r + 4 roundings of a sum changes an output
 * by at most 2^-24 times the sum of magnitudes, on either side. Rounding the merged weight to its dtype changes each
 * product by the unit roundoff of that dtype, and in f16 by at least half of the smallest subnormal.
 */
const unitRoundoff = { f32: 2 ** -24, f16: 2 ** -11, bf16: 2 ** -8 };
const smallest = { f32: 0, f16: 2 ** -25, bf16: 0 };

test("f(x; W, A, B) = f(x; W + s B A), and unmerging restores W to the last bit", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (sample) => {
      const { kind, dtype, layer, peft, config, x, ids, generator } = await make(sample);
      const tensors = peft.adapterTensors();
      for (const t of tensors.values()) {
        using value = randn(t.shape, { generator });
        noGrad(() => copyInto(t, value));
      }
      const [a, b, loraBias] = await Promise.all(
        ["A.weight", "B.weight", "B.bias"].map((end) =>
          numbers([...tensors].find(([key]) => key.endsWith(end) || `${key}.weight`.endsWith(end))?.[1]),
        ),
      );
      const weight = (await numbers((layer as Linear).weight))!;
      const bias = await numbers((layer as Linear).bias);
      const input = kind === "embedding" ? undefined : await numbers(x);
      const { inFeatures, outFeatures, rows } = sample;
      const scaling = Math.abs(loraScaling(config, "layer"));
      const [u, floor] = [unitRoundoff[dtype], smallest[dtype]];

      const live = (await numbers(peft.forward(x)))!;
      const before = await (layer as Linear).weight.bytes();
      await peft.mergeAdapter();
      const merged = (await numbers(peft.forward(x)))!;
      peft.unmergeAdapter();
      expect(await (layer as Linear).weight.bytes()).toEqual(before);
      expect(await numbers(peft.forward(x))).toEqual(live);

      for (let row = 0; row < rows; row++) {
        for (let o = 0; o < outFeatures; o++) {
          let sums = 0;
          let rounding = 0;
          for (let i = 0; i < inFeatures; i++) {
            const xi = input ? Math.abs(input[row * inFeatures + i]) : i === ids[row] ? 1 : 0;
            const w = Math.abs(weight[kind === "linear" ? o * inFeatures + i : i * outFeatures + o]);
            let product = 0;
            for (let k = 0; k < config.r; k++) product += Math.abs(b![o * config.r + k] * a![k * inFeatures + i]);
            sums += xi * (w + scaling * product);
            rounding += xi * (u * (w + scaling * product) + floor);
          }
          const ends = Math.abs(bias?.[o] ?? 0) + scaling * Math.abs(loraBias?.[o] ?? 0);
          sums += ends;
          rounding += ends > 0 ? u * ends + floor : 0;
          const bound = 2 * (inFeatures + config.r + 4) * 2 ** -24 * sums + 2 * rounding;
          expect(Math.abs(merged[row * outFeatures + o] - live[row * outFeatures + o])).toBeLessThanOrEqual(bound);
        }
      }
    }),
    { numRuns: 80 },
  );
});

test("over random sets of modules, merging for good keeps the answers and leaves other weights alone", async () => {
  const modules = ["embed_tokens", "layers.0.up", "layers.0.down", "layers.1.up", "layers.1.down", "lm_head"];
  const sample = fc.record({
    targetModules: fc.subarray(modules, { minLength: 1 }),
    r: fc.integer({ min: 1, max: 4 }),
    variant: fc.constantFrom({}, { loraBias: true }, { useDora: true }),
    tied: fc.boolean(),
    seed: fc.integer({ min: 0, max: 1000 }),
  });
  await fc.assert(
    fc.asyncProperty(sample, async ({ tied, seed, variant, ...options }) => {
      fc.pre(!("loraBias" in variant) || !options.targetModules.includes("embed_tokens"));
      const generator = new Generator(seed);
      const config = new LoraConfig({ ...options, ...variant, initLoraWeights: false });
      const peft = await getPeftModel(new TinyModel({ tied }), config, { generator, onWarning: () => {} });
      const live = (await scope(() => peft.forward(tinyBatch())).logits.data()) as Float32Array;
      const model = await peft.mergeAndUnload({ verify: { inputs: tinyBatch() } });
      const largest = Math.max(1, ...live.map(Math.abs));
      expect(peft.mergeReport!.maxAbsDiff!).toBeLessThanOrEqual(1e-4 * largest);
      const plain = new TinyModel({ tied });
      for (const path of modules) {
        if (options.targetModules.includes(path)) continue;
        const [now, then] = [model, plain].map((m) => m.getSubmodule(path) as Linear);
        expect(await now.weight.bytes()).toEqual(await then.weight.bytes());
      }
      expect(await logitBits(model)).not.toEqual(await logitBits(plain));
    }),
    { numRuns: 25 },
  );
});
