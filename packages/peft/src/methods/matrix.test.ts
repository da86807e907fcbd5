import {
  Generator,
  init,
  keep,
  memory,
  mul,
  rand,
  reference,
  scope,
  sum,
  type Tensor,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import type { PeftConfig } from "../config/peftConfig.ts";
import { PromptLearningConfig } from "../config/promptLearningConfig.ts";
import { getPeftModel, PeftModel } from "../peftModel.ts";
import { logitBits, TinyModel, type TinyOptions, tinyBatch, train } from "../testing/tinyModel.ts";
import { AdaLoraConfig } from "./adaLoraConfig.ts";
import { AdaptionPromptConfig } from "./adaptionPrompt.ts";
import { BitFitConfig } from "./bitFitConfig.ts";
import { BOFTConfig } from "./boftConfig.ts";
import { BnConfig, DoubleSeqBnConfig, ParBnConfig, SeqBnConfig } from "./bottleneckConfig.ts";
import { DeloraConfig } from "./deloraConfig.ts";
import { FourierFTConfig } from "./fourierftConfig.ts";
import { GraloraConfig } from "./graloraConfig.ts";
import { HiraConfig } from "./hiraConfig.ts";
import { HRAConfig } from "./hraConfig.ts";
import { IA3Config } from "./ia3Config.ts";
import type { peftMethods } from "./index.ts";
import { LNTuningConfig } from "./lnTuningConfig.ts";
import { LoHaConfig } from "./lohaConfig.ts";
import { LoKrConfig } from "./lokrConfig.ts";
import { LoraConfig } from "./loraConfig.ts";
import { MissConfig } from "./missConfig.ts";
import { OFTConfig } from "./oftConfig.ts";
import { PrefixTuningConfig } from "./prefixTuning.ts";
import { PromptTuningConfig } from "./promptTuning.ts";
import { PromptEncoderConfig } from "./pTuning.ts";
import { RandLoraConfig } from "./randloraConfig.ts";
import { VBLoRAConfig } from "./vbloraConfig.ts";
import { VeraConfig } from "./veraConfig.ts";

interface Case {
  name: string;
  config: PeftConfig;
  model?: TinyOptions;
  /** The case starts away from the base model by design, or by rounding as far as said. */
  startsElsewhere?: true | number;
  /** What it trains is not what it saves, so that it cannot be trained further. */
  savesResult?: true;
  /** Why it cannot be merged. */
  unmergeable?: RegExp;
}

/** Adapters that have a place of their own in a block. */
const behindAttention = { model: { attention: true }, unmergeable: /cannot be merged into the weights/ } as const;

/** What all prompt methods have in common: they need attention, and start at random. */
const prompt = {
  model: { attention: true },
  startsElsewhere: true,
  unmergeable: /puts virtual tokens before sequences; it cannot be merged/,
} as const;

const everywhere = ["up", "down"];
/** For methods that know no Conv1D. */
const linears = ["up", "lm_head"];

/** At least one configuration for each method: a method without an entry does not compile. */
const cases: Record<keyof typeof peftMethods, Case[]> = {
  LORA: [
    { name: "linears", config: new LoraConfig({ r: 2, targetModules: everywhere }) },
    {
      name: "all-linear, rank-stabilised",
      config: new LoraConfig({ r: 3, useRslora: true, targetModules: "all-linear" }),
    },
    { name: "gaussian", config: new LoraConfig({ r: 2, initLoraWeights: "gaussian", targetModules: everywhere }) },
    {
      name: "random start",
      config: new LoraConfig({ r: 2, initLoraWeights: false, targetModules: everywhere }),
      startsElsewhere: true,
    },
    { name: "embedding", config: new LoraConfig({ r: 2, targetModules: ["embed_tokens", "up"] }) },
    {
      name: "tied embedding",
      config: new LoraConfig({ r: 2, targetModules: ["embed_tokens"] }),
      model: { tied: true },
    },
    { name: "output layer", config: new LoraConfig({ r: 2, targetModules: ["lm_head"] }) },
    { name: "all biases", config: new LoraConfig({ r: 2, bias: "all", targetModules: everywhere }) },
    { name: "biases of targets", config: new LoraConfig({ r: 2, bias: "lora_only", targetModules: ["up"] }) },
    { name: "bias on B", config: new LoraConfig({ r: 2, loraBias: true, targetModules: "all-linear" }) },
    {
      name: "modules to save",
      config: new LoraConfig({ r: 2, modulesToSave: ["norm", "lm_head"], targetModules: ["up"] }),
    },
    {
      name: "trainable tokens",
      config: new LoraConfig({ r: 2, trainableTokenIndices: [3, 9], targetModules: ["up"] }),
    },
    {
      name: "trainable tokens of tied layers",
      config: new LoraConfig({ r: 2, trainableTokenIndices: { embed_tokens: [1, 5] }, targetModules: ["up"] }),
      model: { tied: true },
    },
    {
      name: "patterns",
      config: new LoraConfig({
        r: 2,
        targetModules: everywhere,
        rankPattern: { "layers.1.up": 4 },
        alphaPattern: { down: 3 },
      }),
    },
    { name: "DoRA", config: new LoraConfig({ r: 2, useDora: true, targetModules: "all-linear" }) },
    {
      name: "DoRA with dropout, embedding and biases",
      config: new LoraConfig({
        r: 2,
        useDora: true,
        loraDropout: 0.1,
        bias: "all",
        targetModules: ["embed_tokens", "up", "down", "lm_head"],
      }),
    },
    {
      name: "DoRA, bf16 base",
      config: new LoraConfig({ r: 2, useDora: true, targetModules: everywhere }),
      model: { dtype: "bf16" },
    },
    {
      name: "DoRA, 4-bit base",
      config: new LoraConfig({ r: 2, useDora: true, targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
    {
      name: "orthogonal",
      config: new LoraConfig({ r: 2, initLoraWeights: "orthogonal", targetModules: everywhere }),
      startsElsewhere: true,
    },
    { name: "bf16 base", config: new LoraConfig({ r: 2, targetModules: everywhere }), model: { dtype: "bf16" } },
    {
      name: "f16 base",
      config: new LoraConfig({ r: 2, bias: "all", targetModules: everywhere }),
      model: { dtype: "f16" },
    },
    {
      name: "4-bit base",
      config: new LoraConfig({ r: 2, targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
    {
      name: "4-bit base with biases, rows and a saved output layer",
      config: new LoraConfig({
        r: 2,
        bias: "all",
        loraBias: true,
        modulesToSave: ["lm_head"],
        trainableTokenIndices: [2],
        targetModules: everywhere,
      }),
      model: { quantize: { quantType: "fp4", blockSize: 32, doubleQuant: true }, dtype: "bf16" },
    },
  ],
  ADALORA: [
    { name: "linears", config: new AdaLoraConfig({ initR: 4, targetR: 2, totalStep: 10, targetModules: everywhere }) },
    {
      name: "ranks given out before, with dropout",
      config: new AdaLoraConfig({
        ...{ initR: 3, totalStep: 10, loraDropout: 0.1, bias: "lora_only", targetModules: everywhere },
        rankPattern: { "layers.0.up.lora_E": [true, false, true], "layers.1.down.lora_E": [false, false, false] },
      }),
    },
    {
      name: "4-bit base",
      config: new AdaLoraConfig({ initR: 4, totalStep: 10, trainableTokenIndices: [3], targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
    {
      name: "random start",
      config: new AdaLoraConfig({ initR: 2, initLoraWeights: false, totalStep: 10, targetModules: ["up"] }),
      startsElsewhere: true,
    },
  ],
  LOHA: [
    { name: "linears", config: new LoHaConfig({ r: 1, targetModules: linears }) },
    { name: "rank above what factors pay", config: new LoHaConfig({ r: 4, alpha: 3, targetModules: linears }) },
    {
      name: "dropouts and patterns",
      config: new LoHaConfig({
        ...{ r: 2, rankDropout: 0.2, moduleDropout: 0.1, targetModules: ["up", "lm_head"] },
        ...{ rankPattern: { "layers.1.up": 1 }, alphaPattern: { lm_head: 2 } },
      }),
    },
    {
      name: "random start",
      config: new LoHaConfig({ r: 1, initWeights: false, targetModules: ["up"] }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new LoHaConfig({ r: 1, targetModules: ["up"] }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  LOKR: [
    { name: "linears", config: new LoKrConfig({ r: 1, targetModules: linears }) },
    { name: "both matrices whole", config: new LoKrConfig({ r: 8, alpha: 16, targetModules: linears }) },
    {
      name: "both factored, with dropouts",
      config: new LoKrConfig({
        ...{ r: 1, alpha: 8, decomposeBoth: true, decomposeFactor: 5, rankDropout: 0.2, rankDropoutScale: true },
        ...{ moduleDropout: 0.1, targetModules: linears, alphaPattern: { "layers.0.up": 2 } },
      }),
    },
    { name: "lycoris start", config: new LoKrConfig({ r: 1, initWeights: "lycoris", targetModules: linears }) },
    {
      name: "random start, 4-bit base",
      config: new LoKrConfig({ r: 2, initWeights: false, targetModules: ["up"] }),
      startsElsewhere: true,
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  IA3: [
    { name: "outputs and inputs", config: new IA3Config({ targetModules: everywhere, feedforwardModules: ["down"] }) },
    {
      name: "random start, by expressions",
      config: new IA3Config({ targetModules: ".*(up|down)", feedforwardModules: ".*up", initIa3Weights: false }),
      startsElsewhere: true,
    },
    {
      name: "f16 base",
      config: new IA3Config({ targetModules: everywhere, feedforwardModules: [] }),
      model: { dtype: "f16" },
    },
    {
      name: "4-bit base",
      config: new IA3Config({ targetModules: everywhere, feedforwardModules: ["up"] }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  LN_TUNING: [
    { name: "norms", config: new LNTuningConfig({ targetModules: ["norm"] }) },
    { name: "any layer", config: new LNTuningConfig({ targetModules: ["norm", "up", "down", "embed_tokens"] }) },
    {
      name: "half-precision layers",
      config: new LNTuningConfig({ targetModules: everywhere }),
      model: { dtype: "bf16" },
    },
  ],
  VERA: [
    { name: "linears", config: new VeraConfig({ r: 5, dInitial: 0.5, targetModules: everywhere }) },
    {
      name: "projections from the seed, random start, biases",
      config: new VeraConfig({
        r: 3,
        projectionPrngKey: 7,
        saveProjection: false,
        initWeights: false,
        bias: "vera_only",
        targetModules: "all-linear",
      }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new VeraConfig({ r: 4, dInitial: 0.5, targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
    {
      name: "bf16 base",
      config: new VeraConfig({ r: 4, dInitial: 0.5, targetModules: everywhere }),
      model: { dtype: "bf16" },
    },
  ],
  PREFIX_TUNING: [
    { name: "rows", config: new PrefixTuningConfig({ numVirtualTokens: 3 }), ...prompt },
    {
      name: "zeros, and a saved head",
      config: new PrefixTuningConfig({ numVirtualTokens: 2, initWeights: "zero", modulesToSave: ["lm_head"] }),
      ...prompt,
    },
    {
      name: "projection",
      config: new PrefixTuningConfig({ numVirtualTokens: 3, prefixProjection: true, encoderHiddenSize: 4 }),
      ...prompt,
      savesResult: true,
    },
    {
      name: "4-bit base",
      config: new PrefixTuningConfig({ numVirtualTokens: 3 }),
      ...prompt,
      model: { attention: true, quantize: { quantType: "nf4" } },
    },
  ],
  PROMPT_TUNING: [
    { name: "rows", config: new PromptTuningConfig({ numVirtualTokens: 3 }), ...prompt },
    {
      name: "tokens, and a saved head",
      config: new PromptTuningConfig({
        numVirtualTokens: 4,
        promptTuningInit: "SAMPLE_VOCAB",
        modulesToSave: ["lm_head"],
      }),
      ...prompt,
    },
  ],
  P_TUNING: [
    {
      name: "MLP",
      config: new PromptEncoderConfig({ numVirtualTokens: 3, encoderHiddenSize: 5 }),
      ...prompt,
      savesResult: true,
    },
    {
      name: "LSTM, and a saved head",
      config: new PromptEncoderConfig({
        numVirtualTokens: 3,
        encoderReparameterizationType: "LSTM",
        modulesToSave: ["lm_head"],
      }),
      ...prompt,
      savesResult: true,
    },
  ],
  MISS: [
    { name: "linears", config: new MissConfig({ r: 2, targetModules: linears }) },
    {
      name: "sizes that r does not divide, biases",
      config: new MissConfig({ r: 4, bias: "miss_only", targetModules: linears }),
    },
    { name: "bat", config: new MissConfig({ r: 2, initWeights: "bat", targetModules: ["up"] }) },
    { name: "mini", config: new MissConfig({ r: 3, initWeights: "mini", miniR: 5, targetModules: ["up"] }) },
    {
      name: "random start, f16 base",
      config: new MissConfig({ r: 2, initWeights: false, targetModules: ["up"] }),
      model: { dtype: "f16" },
      startsElsewhere: true,
    },
    {
      name: "bat, 4-bit base",
      config: new MissConfig({ r: 2, initWeights: "bat", targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  HIRA: [
    {
      name: "linears and embedding",
      config: new HiraConfig({ r: 2, targetModules: [...everywhere, "embed_tokens"] }),
    },
    { name: "gaussian", config: new HiraConfig({ r: 2, initWeights: "gaussian", targetModules: "all-linear" }) },
    {
      name: "random start",
      config: new HiraConfig({ r: 2, initWeights: false, targetModules: ["up", "embed_tokens"] }),
      startsElsewhere: true,
    },
    { name: "bf16 base", config: new HiraConfig({ r: 2, targetModules: everywhere }), model: { dtype: "bf16" } },
    {
      name: "4-bit base",
      config: new HiraConfig({ r: 4, targetModules: [...everywhere, "lm_head"] }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  DELORA: [
    { name: "linears", config: new DeloraConfig({ r: 2, deloraLambda: 1, targetModules: linears }) },
    {
      name: "patterns, random start, biases",
      config: new DeloraConfig({
        r: 2,
        rankPattern: { lm_head: 3 },
        lambdaPattern: { up: 2 },
        initWeights: false,
        bias: "delora_only",
        targetModules: linears,
      }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new DeloraConfig({ r: 2, deloraLambda: 1, targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  GRALORA: [
    { name: "linears", config: new GraloraConfig({ r: 4, targetModules: everywhere }) },
    {
      name: "with a whole LoRA, random start, biases",
      config: new GraloraConfig({
        r: 2,
        hybridR: 3,
        alpha: 3,
        initWeights: false,
        bias: "all",
        targetModules: everywhere,
      }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new GraloraConfig({ r: 2, graloraK: 1, targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  RANDLORA: [
    { name: "linears", config: new RandLoraConfig({ r: 2, randloraAlpha: 8, targetModules: everywhere }) },
    {
      name: "sparse bases, random start, biases",
      config: new RandLoraConfig({
        r: 4,
        randloraAlpha: 8,
        sparse: true,
        initWeights: false,
        bias: "randlora_only",
        targetModules: "all-linear",
      }),
      startsElsewhere: true,
    },
    {
      name: "very sparse bases, 4-bit base",
      config: new RandLoraConfig({ r: 1, randloraAlpha: 8, verySparse: true, targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  FOURIERFT: [
    { name: "zeros", config: new FourierFTConfig({ nFrequency: 20, initWeights: true, targetModules: everywhere }) },
    {
      name: "random start, pattern, biases",
      config: new FourierFTConfig({
        nFrequency: 10,
        nFrequencyPattern: { down: 30 },
        scaling: 20,
        randomLocSeed: 5,
        bias: "all",
        targetModules: [...everywhere, "lm_head"],
      }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new FourierFTConfig({ nFrequency: 30, initWeights: true, targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  VBLORA: [
    {
      name: "linears",
      config: new VBLoRAConfig({
        r: 2,
        numVectors: 8,
        vectorLength: 2,
        initVectorBankBound: 0.5,
        targetModules: everywhere,
      }),
      startsElsewhere: true,
    },
    {
      name: "one vector each, biases, 4-bit base",
      config: new VBLoRAConfig({
        r: 2,
        numVectors: 5,
        vectorLength: 2,
        topk: 1,
        initVectorBankBound: 0.5,
        bias: "vblora_only",
        targetModules: everywhere,
      }),
      model: { quantize: { quantType: "nf4" } },
      startsElsewhere: true,
    },
  ],
  BITFIT: [
    { name: "all biases", config: new BitFitConfig() },
    { name: "some, bf16 base", config: new BitFitConfig({ targetModules: ["up", "norm"] }), model: { dtype: "bf16" } },
    {
      name: "4-bit base, a whole module",
      config: new BitFitConfig({ modulesToSave: ["lm_head"] }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  OFT: [
    { name: "linears", config: new OFTConfig({ oftBlockSize: 3, targetModules: linears }) },
    {
      name: "embedding, exact rotations, block sizes that do not divide",
      config: new OFTConfig({ oftBlockSize: 4, useCayleyNeumann: false, targetModules: ["embed_tokens", "up"] }),
    },
    {
      name: "constrained, of a number of blocks, random start, biases",
      config: new OFTConfig({
        r: 2,
        oftBlockSize: 0,
        coft: true,
        eps: 0.5,
        initWeights: false,
        bias: "oft_only",
        targetModules: linears,
      }),
      startsElsewhere: true,
    },
    {
      name: "shared blocks, 4-bit base",
      config: new OFTConfig({ oftBlockSize: 3, blockShare: true, targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  BOFT: [
    { name: "linears", config: new BOFTConfig({ boftBlockSize: 3, targetModules: linears }) },
    {
      name: "random start, all biases",
      config: new BOFTConfig({
        boftBlockSize: 0,
        boftBlockNum: 3,
        initWeights: false,
        bias: "all",
        targetModules: linears,
      }),
      startsElsewhere: true,
    },
    { name: "f16 base", config: new BOFTConfig({ boftBlockSize: 2, targetModules: linears }), model: { dtype: "f16" } },
    {
      name: "4-bit base",
      config: new BOFTConfig({ boftBlockSize: 2, targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  HRA: [
    { name: "linears", config: new HRAConfig({ r: 2, targetModules: linears }), startsElsewhere: 2e-6 },
    {
      name: "orthogonal, random start",
      config: new HRAConfig({ r: 3, applyGS: true, initWeights: false, targetModules: linears }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new HRAConfig({ r: 4, targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
      startsElsewhere: 2e-6,
    },
  ],
  ADAPTION_PROMPT: [
    { name: "all layers", config: new AdaptionPromptConfig({ adapterLen: 2, adapterLayers: 2 }), ...behindAttention },
    {
      name: "4-bit base",
      config: new AdaptionPromptConfig({ adapterLen: 2, adapterLayers: 2 }),
      ...behindAttention,
      model: { attention: true, quantize: { quantType: "nf4" } },
    },
  ],
  BOTTLENECK: [
    {
      name: "Houlsby",
      config: new DoubleSeqBnConfig({ reductionFactor: 2 }),
      ...behindAttention,
      startsElsewhere: true,
    },
    {
      name: "Pfeiffer",
      config: new SeqBnConfig({
        reductionFactor: { "0": 2, default: 1.5 },
        initWeights: "houlsby",
        nonLinearity: "tanh",
      }),
      ...behindAttention,
      startsElsewhere: true,
    },
    { name: "parallel", config: new ParBnConfig(), ...behindAttention },
    {
      name: "a norm, a gate and factors that train, in one layer",
      config: new BnConfig({
        reductionFactor: 3,
        mhAdapter: true,
        lnAfter: true,
        useGating: true,
        scaling: "channel",
        leaveOut: [1],
      }),
      ...behindAttention,
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new ParBnConfig(),
      ...behindAttention,
      model: { attention: true, quantize: { quantType: "nf4" } },
    },
  ],
};

const quiet = { onWarning: () => {} };

beforeAll(() => init(reference()));

const bits = async (tensors: ReadonlyMap<string, Tensor>) =>
  Promise.all([...tensors].map(async ([name, t]) => [name, t.dtype, await t.bytes()] as const));

const lossBits = (model: TinyModel | PeftModel<TinyModel>) => scope(() => model.loss(tinyBatch())).bytes();

for (const [method, list] of Object.entries(cases)) {
  describe.each(list)(`${method}: $name`, ({ config, model: options, startsElsewhere, savesResult, unmergeable }) => {
    const base = () => new TinyModel(options).eval();
    const half = options?.dtype !== undefined;
    // Merging into 4 bits must be asked for; what it costs has tests of its own.
    const mergeOptions = options?.quantize ? ({ dtype: "f32" } as const) : {};
    const trained = () => {
      const peft = getPeftModel(base(), config, quiet);
      train(peft);
      // Some methods bring what a step has moved too far back when they act next.
      scope(() => peft.forward(tinyBatch()));
      return peft;
    };

    test.skipIf(startsElsewhere === true)("a fresh adapter changes nothing, to the last bit", async () => {
      const [before, fresh] = [await logitBits(base()), await logitBits(getPeftModel(base(), config, quiet))];
      if (typeof startsElsewhere === "number") expect(largestDifference(fresh, before)).toBeLessThan(startsElsewhere);
      else expect(fresh).toEqual(before);
    });

    test("training lowers the loss and leaves the base as it was", async () => {
      const model = base();
      const before = await bits(new TinyModel(options).stateDict());
      const peft = getPeftModel(model, config, quiet);
      const losses = train(peft, 6);
      expect(losses.at(-1)).toBeLessThan(losses[0] * 0.95);
      expect(await bits(peft.unload().stateDict())).toEqual(before);
      expect([...model.parameters()].some((p) => p.requiresGrad)).toBe(false);
    });

    test.runIf(unmergeable)("merging is refused", async () => {
      const peft = trained();
      const live = await logitBits(peft);
      await expect(peft.mergeAdapter()).rejects.toThrow(unmergeable!);
      await expect(peft.mergeAndUnload()).rejects.toThrow(unmergeable!);
      expect(await logitBits(peft)).toEqual(live);
    });

    test.skipIf(unmergeable)("merged and live agree; unmerging restores to the last bit", async () => {
      const peft = trained();
      const live = await logitBits(peft);
      await peft.mergeAdapter(mergeOptions);
      const merged = await logitBits(peft);
      expect(peft.isMerged).toBe(true);
      const difference = largestDifference(merged, live);
      expect(difference).toBeLessThan(half ? 0.05 : 1e-5);
      peft.unmergeAdapter();
      expect(await logitBits(peft)).toEqual(live);
      expect(await bits(peft.unload().stateDict())).toEqual(await bits(base().stateDict()));
    });

    test.skipIf(unmergeable)("merging for good leaves a plain model that answers the same", async () => {
      const peft = trained();
      const names = [...new TinyModel(options).stateDict().keys()];
      const adapted = peft.targetReport?.matched ?? [];
      const model = await peft.mergeAndUnload({ verify: { inputs: tinyBatch() }, ...mergeOptions });
      expect(peft.mergeReport?.maxAbsDiff).toBeLessThan(half ? 0.05 : 1e-5);
      const rounded = new Set(peft.mergeReport?.drift.map(({ path }) => path.slice(0, path.lastIndexOf("."))));
      expect(rounded.size).toBe(
        options?.quantize
          ? 0
          : adapted.filter((path) => (base().getSubmodule(path) as Linear).weight.dtype !== "f32").length,
      );
      const extra = [...model.stateDict().keys()].filter((name) => !names.includes(name));
      expect(extra.every((name) => name.endsWith("lm_head.weight"))).toBe(true);
      expect([...model.namedModules()].map(([path]) => path)).toEqual([...base().namedModules()].map(([path]) => path));
    });

    test("saved and loaded, all is equal to the last bit", async () => {
      const peft = trained();
      const files = await peft.adapterFiles();
      const again = await PeftModel.fromPretrained(base(), files, quiet);
      expect(await bits(again.adapterTensors())).toEqual(await bits(peft.adapterTensors()));
      expect(await logitBits(again)).toEqual(await logitBits(peft));
      expect(await again.adapterFiles()).toEqual(files);
      expect([...again.trainableParameters()]).toEqual([]);
      const further = PeftModel.fromPretrained(base(), files, { ...quiet, isTrainable: true });
      if (savesResult) await expect(further).rejects.toThrow("cannot be trained further");
      else expect([...(await further).trainableParameters()].length).toBeGreaterThan(0);
    });

    test("two adapters switch and do not touch each other", async () => {
      const peft = trained();
      const first = await logitBits(peft);
      const before = await bits(peft.adapterTensors("default"));
      peft.addAdapter("second", config);
      expect(await logitBits(peft)).toEqual(first);
      peft.setAdapter("second");
      train(peft, 2, 0.02);
      const second = await logitBits(peft);
      expect(second).not.toEqual(first);
      peft.setAdapter("default");
      expect(await logitBits(peft)).toEqual(first);
      expect(await bits(peft.adapterTensors("default"))).toEqual(before);
      peft.setAdapter("second");
      expect(await logitBits(peft)).toEqual(second);
      peft.deleteAdapter("default");
      expect(await logitBits(peft)).toEqual(second);
    });

    test("in a mixed batch each row has its adapter's answer and gradient, as in runs of their own", async () => {
      const peft = trained();
      peft.addAdapter("second", config, { generator: new Generator(3) });
      peft.setAdapter("second");
      train(peft, 2);
      const names = ["second", "__base__", "default", "second"];
      const wholeBatch =
        config instanceof PromptLearningConfig
          ? "puts virtual tokens before all sequences of a batch"
          : config instanceof AdaptionPromptConfig
            ? "takes the batch as a whole"
            : "bias" in config && config.bias !== "none" && "has biases or tables of its own, which all rows share";
      if (wholeBatch) return expect(() => peft.withAdapterNames(names, () => 0)).toThrow(wholeBatch);
      const ids = [...tinyBatch().dataSync()].map(Number);
      const rows = [ids.slice(0, 5), ids.slice(5), ids.slice(2, 7), ids.slice(4, 9)];
      /** Logits of rows, and what they, weighted, leave as gradients of an adapter. */
      const run = (name: string, tokens: number[][]) => {
        const logits = keep(peft.forward(tensor(tokens, { dtype: "i32" })).logits);
        const weights = rand([5, 11], { generator: new Generator(8) });
        const loss = sum(mul(logits, weights));
        if (loss.requiresGrad) loss.backward();
        const taken = ["default", "second"].map((adapter) =>
          [...peft.base_model.trained(adapter)].map(([key, parameter]) => {
            const values = parameter.grad?.dataSync();
            parameter.grad?.dispose();
            parameter.grad = null;
            return [`${adapter} ${key}`, values] as const;
          }),
        );
        return { name, values: logits.dataSync(), gradients: new Map(taken.flat()) };
      };
      const mixed = scope(() => peft.withAdapterNames(names, () => run("mixed", rows)));
      const alone = ["second", "default"].map((name) => {
        peft.setAdapter(name);
        return scope(() =>
          run(
            name,
            rows.filter((_, row) => names[row] === name),
          ),
        );
      });
      const bare = peft.disableAdapter(() => scope(() => run("__base__", [rows[1]])));
      const size = 5 * 11;
      for (const { name, values } of [...alone, bare]) {
        const found = names.flatMap((other, row) =>
          other === name ? [...mixed.values.slice(row * size, (row + 1) * size)] : [],
        );
        expect(apart(found, values)).toBeLessThan(1e-6);
      }
      const learned = alone.flatMap(({ name, gradients }) => [...gradients].filter(([key]) => key.startsWith(name)));
      expect(learned.length).toBeGreaterThan(0);
      for (const [key, values] of learned) {
        const found = mixed.gradients.get(key);
        expect(found === undefined, key).toBe(values === undefined);
        if (values && found) expect(apart(found, values), key).toBeLessThan(1e-5);
      }
      expect(peft.activeAdapter).toBe("default");
    });

    test("disabled, it is the base model to the last bit, nested and async too", async () => {
      const [logits, loss] = [await logitBits(base()), await lossBits(base())];
      const peft = trained();
      const live = await logitBits(peft);
      const check = async () => {
        expect(await logitBits(peft)).toEqual(logits);
        expect(await lossBits(peft)).toEqual(loss);
      };
      await peft.disableAdapter(async () => {
        await peft.disableAdapter(check);
        await check();
      });
      expect(await logitBits(peft)).toEqual(live);
      if (unmergeable) return;
      await peft.mergeAdapter(mergeOptions);
      const merged = await logitBits(peft);
      await peft.disableAdapter(check);
      expect(await logitBits(peft)).toEqual(merged);
    });

    test("a file with wrong keys is refused with all of them, and the model stays as it was", async () => {
      const peft = trained();
      const [first, second, ...rest] = await Promise.all(
        [...peft.base_model.filed("default"), ...peft.base_model.buffers("default")].map(
          async ([name, { dtype, shape }]) => ({
            name,
            dtype,
            shape: [...shape],
          }),
        ),
      );
      const misshaped = second ? [{ ...second, shape: [...second.shape, 2] }] : [];
      const wrong = [...misshaped, { ...first, name: "base_model.model.extra" }, ...rest];
      const filled = wrong.map((entry) => ({
        ...entry,
        bytes: new Uint8Array(4 * entry.shape.reduce((a, n) => a * n, 1)),
      }));
      const saved = await peft.adapterFiles();
      const weights = [...saved.keys()].find((name) => name.endsWith(".safetensors"))!;
      const files = new Map([...saved, [weights, writeSafetensors(filled)]]);
      const model = base();
      const error = await PeftModel.fromPretrained(model, files, quiet).catch((e: Error) => e.message);
      expect(error).toContain(
        `missing: ${first.name}; unexpected: base_model.model.extra${second ? `; of another shape: ${second.name}` : ""}`,
      );
      expect(await logitBits(model)).toEqual(await logitBits(base()));
      expect([...model.namedParameters()].map(([name]) => name)).toEqual([...base().namedParameters()].map(([n]) => n));
    });

    test("a deleted adapter gives its memory back", () => {
      const peft = getPeftModel(base(), config, quiet);
      const before = memory().buffers;
      peft.addAdapter("second", config);
      expect(memory().buffers).toBeGreaterThan(before);
      peft.deleteAdapter("second");
      expect(memory().buffers).toBe(before);
    });

    test("forward and backward keep no memory", () => {
      const peft = getPeftModel(base(), config, quiet);
      const optimizerLess = () => scope(() => peft.loss(tinyBatch()).backward());
      optimizerLess();
      const before = memory().buffers;
      for (let i = 0; i < 3; i++) optimizerLess();
      expect(memory().buffers).toBe(before);
    });
  });
}

/** The largest difference, over the largest number where that is above 0.1. */
function apart(a: Iterable<number | bigint>, b: Iterable<number | bigint>): number {
  const [x, y] = [a, b].map((values) => [...values].map(Number));
  expect(x.length).toBe(y.length);
  const size = Math.max(0.1, ...y.map(Math.abs));
  return Math.max(...x.map((value, i) => Math.abs(value - y[i]))) / size;
}

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  const [x, y] = [a, b].map((bytes) => new Float32Array(bytes.slice().buffer));
  return Math.max(...x.map((value, i) => Math.abs(value - y[i])));
}
