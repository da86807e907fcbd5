import {
  cat,
  crossEntropy,
  expand,
  init,
  meta,
  reference,
  scope,
  slice,
  square,
  sum,
  type Tensor,
  withBackend,
  zeros,
} from "@lowrank/core";
import { Embedding, Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { PromptTuningConfig } from "../methods/prompt/promptTuning.ts";
import { VeraConfig } from "../methods/sharedVectors/veraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import type { BuiltModel, PlannableModel } from "./onShapes.ts";
import { planMemory } from "./planMemory.ts";
import type { PlanOptions } from "./planTraining.ts";
import { reportAdapter } from "./reportAdapter.ts";
import { plannedOptimizers, traceOptimizer } from "./traceOptimizer.ts";

beforeAll(() => init(reference()));

const shapes = { "embed.weight": [16, 8], "up.weight": [32, 8], "up.bias": [32], "head.weight": [16, 32] };
/** Element counts of all weights, and of LoRA of rank 2 on `up`. */
const [base, adapter] = [128 + 256 + 32 + 512, 2 * 8 + 32 * 2];

/** A small language model whose sizes are easy to compute by hand. */
class Toy extends Module {
  embed: UnaryModule;
  up: UnaryModule;
  head: UnaryModule;
  readonly maxPositions: number;
  virtualTokens: { count: number; kind: string; rows(): Tensor } | null = null;
  readonly config = { modelType: "toy" };
  readonly attentionSizes = { hiddenSize: 8, layers: 1, attentionHeads: 1, keyValueHeads: 1, headDim: 8 };
  createCache?(batch: number, capacity: number): object;

  constructor(source: (name: string, shape: readonly number[]) => Parameter, maxPositions: number, generates = true) {
    super();
    const of = (name: keyof typeof shapes) => source(name, shapes[name]);
    this.embed = new Embedding(of("embed.weight"));
    this.up = new Linear(of("up.weight"), of("up.bias"));
    this.head = new Linear(of("head.weight"));
    this.maxPositions = maxPositions;
    if (generates) this.createCache = (batch, capacity) => ({ keys: zeros([batch, capacity, 8]) });
  }

  gradientCheckpointingEnable(): void {}

  forward({ inputIds }: { inputIds: Tensor }): { logits: Tensor } {
    return scope(() => {
      const own = this.embed.forward(inputIds);
      const rows = this.virtualTokens?.rows();
      const x = rows ? cat([expand(rows, [own.shape[0], ...rows.shape]), own], { dim: 1 }) : own;
      return { logits: this.head.forward(square(this.up.forward(x))) };
    });
  }

  nextLogits(inputs: { inputIds: Tensor }): Tensor {
    return this.forward(inputs).logits;
  }

  loss({ inputIds, labels }: { inputIds: Tensor; labels: Tensor }): Tensor {
    return scope(() => {
      const { logits } = this.forward({ inputIds });
      const start = logits.shape[1] - labels.shape[1];
      return crossEntropy(start > 0 ? slice(logits, { dim: 1, start }) : logits, labels);
    });
  }
}

class Holder extends Module {
  up!: UnaryModule;
  down!: UnaryModule;
  readonly config = { modelType: "wide" };

  forward(x: Tensor): Tensor {
    return this.down.forward(this.up.forward(x));
  }
}

const toy = ({ maxPositions = 64, generates = true } = {}): PlannableModel => ({
  modelType: "toy",
  parameters: Object.entries(shapes).map(([name, shape]) => ({ name, shape })),
  build: (source) => new Toy(source, maxPositions, generates) as unknown as BuiltModel,
});
const lora = (options: LoraOptions = {}) => new LoraConfig({ r: 2, targetModules: ["up"], ...options });
const plan = (options: PlanOptions = {}, model = toy()) => planMemory(model, options);

describe("planMemory", () => {
  test("weights, adapter and gradients have the bytes of their dtypes", async () => {
    const found = await plan({ adapter: lora() });
    expect(found).toMatchObject({
      weights: { quantized: { parameters: 0, bytes: 0 }, rest: { parameters: base, bytes: 4 * base }, bytes: 4 * base },
      adapter: { parameters: adapter, bytes: 4 * adapter },
      gradients: { parameters: adapter, bytes: 4 * adapter },
      ...{ copies: { training: 0, generation: 0 }, optimizer: 8 * adapter, notes: [], warnings: [] },
      ...{ batchSize: 1, sequenceLength: 64, gradientAccumulationSteps: 1 },
    });
    expect(await plan({ adapter: lora(), dtype: "bf16", adapterDtype: "f16" })).toMatchObject({
      weights: { rest: { parameters: base, bytes: 2 * base } },
      adapter: { parameters: adapter, bytes: 2 * adapter },
      gradients: { parameters: adapter, bytes: 2 * adapter },
      notes: ["reckoned with f16 for what trains, f16 for its gradients; Lowrank itself trains in f32"],
    });
    expect(await plan({ adapter: lora(), gradientDtype: "bf16" })).toMatchObject({
      ...{ adapter: { bytes: 4 * adapter }, gradients: { bytes: 2 * adapter } },
      notes: ["reckoned with f32 for what trains, bf16 for its gradients; Lowrank itself trains in f32"],
    });
    const whole = await plan({ dtype: "bf16" });
    expect(whole).toMatchObject({
      ...{ weights: { bytes: 2 * base }, adapter: { parameters: 0, bytes: 0 }, notes: [] },
      gradients: { parameters: base, bytes: 2 * base },
    });
    expect(await plan()).toMatchObject({ gradients: { parameters: base, bytes: 4 * base }, optimizer: 8 * base });
  });

  test("constants of an adapter are bytes and no parameters", async () => {
    // Vectors of 32 and 4 elements train; matrices [4, 8] and [32, 4] do not.
    const found = await plan({ adapter: new VeraConfig({ r: 4, targetModules: ["up"] }) });
    expect(found.adapter).toEqual({ parameters: 32 + 4, bytes: 4 * (32 + 4 + 4 * 8 + 32 * 4) });
  });

  test("optimisers keep none, one or two numbers for each that trains", async () => {
    const bytes = { adamw: 8, lion: 4, muon: 4, adagrad: 4, rmsprop: 4, sgd: 0 };
    for (const [optimizer, each] of Object.entries(bytes)) {
      const { optimizer: found } = await plan({ adapter: lora(), optimizer: optimizer as keyof typeof bytes });
      expect(found, optimizer).toBe(each * adapter);
    }
    expect(plannedOptimizers).toEqual([
      ...["adamw", "adamw8bit", "lion", "adafactor", "muon", "adagrad", "rmsprop", "sgd"],
    ]);
  });

  test("the worst moment of a step has the bytes of all that is there", async () => {
    for (const options of [
      { adapter: lora(), batchSize: 3, sequenceLength: 16 },
      { adapter: lora({ r: 8 }), sequenceLength: 2, gradientAccumulationSteps: 2 },
      { sequenceLength: 32 },
    ]) {
      const { training, weights, adapter: part, copies, optimizer } = await plan(options);
      const held = weights.bytes + part.bytes + copies.training + optimizer;
      expect(training.bytes).toBe(held + training.gradients + training.activations);
      expect(["forward", "backward"]).toContain(training.phase);
    }
    const { training, gradients, optimizer, activations } = await plan({
      ...{ sequenceLength: 1, optimizer: "lion", dtype: "bf16" },
    });
    const parameters = withBackend(meta(), () => Object.values(shapes).map((shape) => zeros(shape, { dtype: "bf16" })));
    const alone = traceOptimizer("lion", parameters);
    expect(alone.held).toBe(optimizer);
    expect(training.phase).toBe("optimizer");
    expect(training.gradients).toBe(gradients.bytes);
    expect(training.activations).toBe(alone.peak.bytes - alone.held);
    expect(training.bytes).toBe(2 * base + optimizer + gradients.bytes + training.activations);
    expect(activations).toBeGreaterThan(0);
  });

  test("activations grow with the tokens; gradients of earlier passes stay", async () => {
    const sized = (options: PlanOptions) => plan({ adapter: lora(), sequenceLength: 16, ...options });
    const [one, two, four] = [await sized({}), await sized({ batchSize: 2 }), await sized({ batchSize: 4 })];
    expect(four.activations - two.activations).toBe(2 * (two.activations - one.activations));
    expect(two.activations).toBeGreaterThan(one.activations);
    const passes = await Promise.all([1, 2, 3].map((n) => sized({ gradientAccumulationSteps: n })));
    expect(passes[0].training.gradients).toBeLessThanOrEqual(passes[1].training.gradients);
    expect(passes[2].training).toEqual(passes[1].training);
    expect(passes[1].training.gradients).toBe(4 * adapter);
    expect(passes[0].activations).toBe(one.activations);
  });

  test("a cache has the sequence's tokens; models without one generate nothing", async () => {
    const found = await plan({ adapter: lora(), batchSize: 2, sequenceLength: 24 });
    expect(found.kvCache).toBe(4 * 2 * 24 * 8);
    const least = found.weights.bytes + found.adapter.bytes + found.kvCache;
    // Logits of all tokens, and the output of `up` before and after the square.
    const rows = 4 * 2 * 24;
    expect(found.generation - least).toBeGreaterThanOrEqual(rows * (16 + 32));
    expect(found.generation - least).toBeLessThanOrEqual(rows * (16 + 3 * 32 + 8 + 1));
    const silent = await plan({ adapter: lora() }, toy({ generates: false }));
    expect(silent).toMatchObject({ kvCache: 0, generation: 0 });
  });

  test("sequences have 512 tokens, or as many as the model has positions", async () => {
    const length = async (maxPositions: number, options: PlanOptions = {}) =>
      (await plan({ adapter: lora(), ...options }, toy({ maxPositions }))).sequenceLength;
    expect([await length(511), await length(512), await length(513)]).toEqual([511, 512, 512]);
    expect(await length(8, { sequenceLength: 8 })).toBe(8);
    await expect(length(8, { sequenceLength: 9 })).rejects.toThrow(
      expect.objectContaining({
        message: "planMemory: sequenceLength is 9, but the model has 8 positions; give 8 or less",
        ...{ code: "invalid_option", where: "planMemory", option: "sequenceLength", value: 9 },
      }),
    );
    const prompt = new PromptTuningConfig({ numVirtualTokens: 3 });
    expect(await length(8, { adapter: prompt })).toBe(5);
    await expect(length(8, { adapter: prompt, sequenceLength: 6 })).rejects.toThrow(
      "the model has 8 positions, of which virtual tokens take 3; give 5 or less",
    );
    const single = new PromptTuningConfig({ numVirtualTokens: 1 });
    await expect(length(8, { adapter: single, sequenceLength: 8 })).rejects.toThrow(
      "the model has 8 positions, of which virtual tokens take 1; give 7 or less",
    );
    for (const [name, value] of [
      ["batchSize", 0],
      ["sequenceLength", 0],
      ["gradientAccumulationSteps", 0.5],
    ] as const) {
      await expect(plan({ adapter: lora(), [name]: value })).rejects.toThrow(
        expect.objectContaining({
          message: `planMemory: ${name} is ${value}; it must be a whole number of at least 1`,
          ...{ option: name, value },
        }),
      );
    }
  });

  test("quantised weights need an adapter", async () => {
    const quantization = { quantType: "nf4" } as const;
    await expect(plan({ quantization })).rejects.toThrow("planMemory: quantised weights cannot be trained");
    const { weights } = await plan({ adapter: lora(), quantization });
    expect(weights.quantized.parameters + weights.rest.parameters).toBe(base);
    // The output layer is not quantised.
    expect(weights.quantized.parameters).toBe(256);
    expect(weights.bytes).toBe(weights.quantized.bytes + weights.rest.bytes);
    expect(weights.rest.bytes).toBe(4 * (base - 256));
    // Half a byte per weight, an f32 for each block of 64, and the table of 16 code values.
    expect(weights.quantized.bytes).toBe(256 / 2 + (4 * 256) / 64 + 4 * 16);
  });

  test("codes are kept beside weights of 128 and more on a side, for products of 8 rows and more", async () => {
    const copies = async (sides: number[], options: PlanOptions) => {
      const wide = { modelType: "wide", parameters: [{ name: "weight", shape: sides }] };
      const build: PlannableModel["build"] = (source) => {
        const layers = { up: new Linear(source("up", [sides[1], 4])), down: new Linear(source("down", sides)) };
        const holder = Object.assign(new Holder(), layers);
        const loss = () => scope(() => sum(holder.forward(zeros([options.batchSize ?? 8, 4]))));
        const reads = options.loss !== undefined;
        const createCache = reads ? () => ({}) : undefined;
        const nextLogits = () => holder.forward(zeros([8, 4]));
        const rest = { maxPositions: 4, gradientCheckpointingEnable() {}, loss, createCache, nextLogits };
        return Object.assign(holder, rest) as unknown as BuiltModel;
      };
      const found = await planMemory({ ...wide, build }, { adapter: lora(), batchSize: 8, ...options });
      const { training, weights, adapter: part, copies: kept, optimizer } = found;
      const held = weights.bytes + part.bytes + kept.training + optimizer;
      expect(training.bytes).toBe(held + training.gradients + training.activations);
      if (found.generation > 0) {
        // At most the ids of the prompt, the input, and the outputs of both layers.
        const most = weights.bytes + part.bytes + kept.generation + 8 * 4 + 4 * 8 * (4 + 4 * sides[1] + sides[0]);
        expect(found.generation).toBeLessThanOrEqual(most);
        expect(found.generation).toBeGreaterThan(most - 4 * 8 * (4 + 4 * sides[1] + sides[0]));
      }
      return kept;
    };
    const size = 128 * 128;
    // See docs/design/precision.md: 14-bit codes take 2 bytes; 7-bit codes take 1.25, in rows of whole blocks of 32.
    // Only products of gradients are "medium".
    const loss: PlanOptions["loss"] = (model) => (model as unknown as { loss(): Tensor }).loss();
    expect(await copies([128, 128], { precision: "medium", loss })).toEqual({
      ...{ training: 3.25 * size, generation: 2 * size },
    });
    expect(await copies([128, 128], { precision: "high" })).toEqual({ training: 2 * size, generation: 0 });
    expect(await copies([128, 128], { precision: "medium" })).toEqual({ training: 3.25 * size, generation: 0 });
    expect(await copies([136, 128], { precision: "medium" })).toMatchObject({ training: 2 * 128 * 136 });
    expect(await copies([160, 128], { precision: "medium" })).toMatchObject({ training: 3.25 * 128 * 160 });
    expect(await copies([128, 128], { precision: "medium", dtype: "bf16" })).toMatchObject({ training: 1.25 * size });
    expect(await copies([128, 128], { precision: "high", dtype: "bf16" })).toMatchObject({ training: 0 });
    expect(await copies([128, 128], { precision: "highest" })).toMatchObject({ training: 0 });
    expect(await copies([128, 128], {})).toMatchObject({ training: 0 });
    for (const precision of ["high", "medium"] as const) {
      expect(await copies([128, 128], { precision, batchSize: 7 })).toMatchObject({ training: 0 });
      expect(await copies([127, 128], { precision })).toMatchObject({ training: 0 });
      expect(await copies([128, 127], { precision })).toMatchObject({ training: 0 });
    }
    await expect(plan({ adapter: lora(), precision: "low" as never })).rejects.toThrow("planMemory: precision");
  });

  test("a loss of one's own stands in for the model's", async () => {
    const loss = () => {
      throw new Error("own loss");
    };
    await expect(plan({ adapter: lora(), loss })).rejects.toThrow("own loss");
    const checkpointed = toy();
    let asked = 0;
    const { build } = checkpointed;
    const model: PlannableModel = {
      ...checkpointed,
      build: (source) => Object.assign(build(source), { gradientCheckpointingEnable: () => asked++ }),
    };
    await plan({ adapter: lora() }, model);
    expect(asked).toBe(0);
    await plan({ adapter: lora(), gradientCheckpointing: true }, model);
    expect(asked).toBe(1);
  });
});

describe("reportAdapter", () => {
  // A multiply-add counts two operations, any other computed element one.
  const flops = 2 * 8 * 32 + 32 + 32 + 2 * 32 * 16;

  test("an adapter's costs are those of its tensors", async () => {
    const report = await reportAdapter(toy(), lora());
    const real = await getPeftModel(
      new Toy((_name, shape) => new Parameter(zeros(shape)), 64) as unknown as BuiltModel,
      lora(),
    );
    const file = (await real.adapterFiles()).get("adapter_model.safetensors") as Uint8Array;
    expect(report).toMatchObject({
      ...{ peftType: "LORA", trainable: adapter, total: base + adapter, bytesSaved: file.length },
      ...{ percent: (100 * adapter) / (base + adapter), bytesTrained: 4 * adapter, optimizerBytes: 8 * adapter },
      ...{ baseBytes: 4 * base, mergeable: true },
      inference: { parameters: adapter, flopsPerToken: 2 * 2 * (8 + 32), baseFlopsPerToken: flops, sequenceLength: 32 },
      adapter: { base, trainable: adapter, warnings: [] },
    });
  });

  test("the whole model's training costs all of its weights", async () => {
    const report = await reportAdapter(toy(), null, { dtype: "bf16", optimizer: "sgd" });
    expect(report).toMatchObject({
      ...{ peftType: null, trainable: base, total: base, percent: 100, adapter: null, mergeable: true },
      ...{ bytesTrained: 2 * base, baseBytes: 2 * base, optimizerBytes: 4 * base },
      inference: { parameters: 0, flopsPerToken: 0, baseFlopsPerToken: flops, sequenceLength: 32 },
    });
    expect(report.bytesSaved - 2 * base).toBeGreaterThan(8 + 100);
    expect(report.bytesSaved - 2 * base).toBeLessThan(500);
    await expect(reportAdapter(toy(), null, { quantization: { quantType: "nf4" } })).rejects.toThrow(
      "reportAdapter: quantised weights cannot be trained",
    );
    const { baseBytes } = await reportAdapter(toy(), lora(), { quantization: { quantType: "nf4" } });
    expect(baseBytes).toBe(4 * (base - 256) + 256 / 2 + (4 * 256) / 64 + 4 * 16);
  });

  test("half of the positions are run, 512 at most and 1 at least; shapes alone are not run", async () => {
    const length = async (maxPositions: number, options = {}) =>
      (await reportAdapter(toy({ maxPositions }), lora(), options)).inference.sequenceLength;
    expect(await Promise.all([1, 2, 5, 1023, 1024, 4096].map((n) => length(n)))).toEqual([1, 1, 2, 511, 512, 512]);
    expect(await length(64, { sequenceLength: 3 })).toBe(3);
    expect(await length(64, { sequenceLength: 64 })).toBe(64);
    await expect(length(64, { sequenceLength: 65 })).rejects.toThrow(
      "reportAdapter: sequenceLength is 65, but the model has 64 positions; give 64 or less",
    );
    const { build, ...rest } = toy();
    const bare = { ...rest, build: (source: never) => Object.assign(build(source), { maxPositions: undefined }) };
    const nothing = { flopsPerToken: null, baseFlopsPerToken: null, sequenceLength: 0 };
    expect((await reportAdapter(bare as never, lora())).inference).toEqual({ parameters: adapter, ...nothing });
    expect((await reportAdapter(bare as never, null)).inference).toEqual({ parameters: 0, ...nothing });
  });

  test("tensors in the place of the base model's cost inference nothing", async () => {
    const { inference, trainable, mergeable } = await reportAdapter(
      toy(),
      lora({ bias: "all", modulesToSave: ["head"] }),
    );
    expect(inference).toMatchObject({ parameters: adapter, flopsPerToken: 160 });
    expect([trainable, mergeable]).toEqual([adapter + 32 + 512, true]);
    const prompt = await reportAdapter(toy(), new PromptTuningConfig({ numVirtualTokens: 3 }));
    expect(prompt).toMatchObject({ mergeable: false, trainable: 3 * 8, inference: { parameters: 3 * 8 } });
  });
});
