import type { PeftConfig } from "../config/peftConfig.ts";
import { BnConfig, DoubleSeqBnConfig, ParBnConfig, SeqBnConfig } from "../methods/bottleneck/bottleneckConfig.ts";
import { DeftConfig } from "../methods/fromWeights/deftConfig.ts";
import { PeanutConfig } from "../methods/fromWeights/peanutConfig.ts";
import type { peftMethods } from "../methods/index.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { AdaLoraConfig } from "../methods/lowRank/adaLoraConfig.ts";
import { DeloraConfig } from "../methods/lowRank/deloraConfig.ts";
import { GraloraConfig } from "../methods/lowRank/graloraConfig.ts";
import { HiraConfig } from "../methods/lowRank/hiraConfig.ts";
import { LilyConfig } from "../methods/lowRank/lilyConfig.ts";
import { MissConfig } from "../methods/lowRank/missConfig.ts";
import { RandLoraConfig } from "../methods/lowRank/randloraConfig.ts";
import { LoHaConfig } from "../methods/lycoris/lohaConfig.ts";
import { LoKrConfig } from "../methods/lycoris/lokrConfig.ts";
import { BOFTConfig } from "../methods/orthogonal/boftConfig.ts";
import { HRAConfig } from "../methods/orthogonal/hraConfig.ts";
import { OFTConfig } from "../methods/orthogonal/oftConfig.ts";
import { RoadConfig } from "../methods/orthogonal/roadConfig.ts";
import { AdaptionPromptConfig } from "../methods/prompt/adaptionPrompt.ts";
import { CartridgeConfig } from "../methods/prompt/cartridge.ts";
import { CPTConfig } from "../methods/prompt/cptConfig.ts";
import { MultitaskPromptTuningConfig } from "../methods/prompt/multitaskPromptTuning.ts";
import { PrefixTuningConfig } from "../methods/prompt/prefixTuning.ts";
import { PromptTuningConfig } from "../methods/prompt/promptTuning.ts";
import { PromptEncoderConfig } from "../methods/prompt/pTuning.ts";
import { PolyConfig } from "../methods/routed/polyConfig.ts";
import { PveraConfig } from "../methods/sharedVectors/pveraConfig.ts";
import { TinyLoraConfig } from "../methods/sharedVectors/tinyloraConfig.ts";
import { UniLoraConfig } from "../methods/sharedVectors/uniloraConfig.ts";
import { VBLoRAConfig } from "../methods/sharedVectors/vbloraConfig.ts";
import { VeraConfig } from "../methods/sharedVectors/veraConfig.ts";
import { AdamssConfig } from "../methods/singular/adamssConfig.ts";
import { FrodConfig } from "../methods/singular/frodConfig.ts";
import { OSFConfig } from "../methods/singular/osfConfig.ts";
import { PsoftConfig } from "../methods/singular/psoftConfig.ts";
import { ShiraConfig } from "../methods/sparse/shiraConfig.ts";
import { SupertuningConfig } from "../methods/sparse/supertuningConfig.ts";
import { C3AConfig } from "../methods/spectral/c3aConfig.ts";
import { FourierFTConfig } from "../methods/spectral/fourierftConfig.ts";
import { WaveFTConfig } from "../methods/spectral/waveftConfig.ts";
import { BeftConfig } from "../methods/vectors/beftConfig.ts";
import { BitFitConfig } from "../methods/vectors/bitFitConfig.ts";
import { GloraConfig } from "../methods/vectors/gloraConfig.ts";
import { IA3Config } from "../methods/vectors/ia3Config.ts";
import { LNTuningConfig } from "../methods/vectors/lnTuningConfig.ts";
import { TrainableTokensConfig } from "../methods/vectors/trainableTokensConfig.ts";
import type { TinyOptions } from "./tinyModel.ts";

/** A configuration with which `matrix.test.ts` checks a method. */
export interface MethodCase {
  name: string;
  config: PeftConfig;
  model?: TinyOptions;
  /** True if a new adapter changes the model's outputs by design, or the largest change due to rounding. */
  startsElsewhere?: true | number;
  /** True if the saved tensors are not the trained ones, so that the adapter cannot be trained further. */
  savesResult?: true;
  /** Expected error if the adapter cannot be merged. */
  unmergeable?: RegExp;
  /** True if ranks come from the weights. A report, which has no weights, gives the largest number of parameters. */
  sizesFollowWeights?: true;
}

/** Adapters that are separate modules in a block. */
const behindAttention = { model: { attention: true }, unmergeable: /cannot be merged into the weights/ } as const;

/** The settings of all prompt methods: they need attention, and start at random. */
const prompt = {
  model: { attention: true },
  startsElsewhere: true,
  unmergeable: /puts virtual tokens before sequences; it cannot be merged/,
} as const;

const everywhere = ["up", "down"];
/** Targets for methods that do not support Conv1D. */
const linears = ["up", "lm_head"];

/** At least one configuration for each method. A method without an entry does not compile. */
export const methodCases: Readonly<Record<keyof typeof peftMethods, readonly MethodCase[]>> = {
  LORA: [
    { name: "linears", config: new LoraConfig({ r: 2, targetModules: everywhere }) },
    {
      name: "all-linear, rank-stabilised",
      config: new LoraConfig({ r: 3, useRslora: true, targetModules: "all-linear" }),
    },
    {
      name: "BD-LoRA",
      config: new LoraConfig({
        ...{ r: 4, targetModules: everywhere },
        useBdlora: { nblocks: 2, targetModulesBdA: ["0.up"], targetModulesBdB: ["1.up"], matchStrict: false },
      }),
    },
    {
      name: "aLoRA",
      config: new LoraConfig({
        ...{ r: 3, loraAlpha: 12, targetModules: everywhere, taskType: "CAUSAL_LM", loraBias: true },
        aloraInvocationTokens: [4],
      }),
      unmergeable: /aLoRA acts only on the tokens after its invocation/,
    },
    { name: "VeLoRA", config: new LoraConfig({ r: 3, targetModules: everywhere, veloraConfig: { numGroups: 5 } }) },
    {
      name: "MonteCLoRA",
      config: new LoraConfig({ r: 3, targetModules: everywhere, montecloraConfig: { numSamples: 3 } }),
    },
    {
      name: "MiCA",
      config: new LoraConfig({ r: 3, initLoraWeights: "mica", targetModules: [...everywhere, "embed_tokens"] }),
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
    {
      name: "tied layers",
      config: new LoraConfig({ r: 2, ensureWeightTying: true, loraDropout: 0.1, targetModules: ["lm_head", "up"] }),
      model: { tied: true },
    },
    {
      name: "DoRA on tied layers, with another scaling",
      config: new LoraConfig({
        r: 2,
        useDora: true,
        ensureWeightTying: true,
        alphaPattern: { lm_head: 3 },
        targetModules: "lm_head|.*up",
      }),
      model: { tied: true },
    },
    {
      name: "tied modules to save",
      config: new LoraConfig({ r: 2, ensureWeightTying: true, modulesToSave: ["lm_head"], targetModules: ["up"] }),
      model: { tied: true },
    },
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
  BEFT: [
    { name: "a layer with a bias", config: new BeftConfig({ targetModules: ["up"], modulesToSave: ["lm_head"] }) },
    {
      name: "a layer without one",
      config: new BeftConfig({ targetModules: linears }),
      unmergeable: /^lm_head: .*it adds to a layer's bias, and this layer has none/,
    },
    {
      name: "random start, bf16 base",
      config: new BeftConfig({ targetModules: ["up"], modulesToSave: ["lm_head"], initWeights: false }),
      model: { dtype: "bf16" },
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new BeftConfig({ targetModules: ["up"], modulesToSave: ["lm_head"] }),
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
  TRAINABLE_TOKENS: [
    { name: "the input embedding", config: new TrainableTokensConfig({ tokenIndices: [1, 3, 5, 7, 9, 2] }) },
    {
      name: "a tied output layer",
      config: new TrainableTokensConfig({ tokenIndices: [9, 1, 5], targetModules: ["embed_tokens"] }),
      model: { tied: true },
    },
    {
      name: "random start, output layer too",
      config: new TrainableTokensConfig({
        ...{ tokenIndices: [4, 0, 6], initWeights: false },
        targetModules: ["embed_tokens", "lm_head"],
      }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new TrainableTokensConfig({ tokenIndices: [1, 3, 5, 7, 9, 2] }),
      model: { quantize: { quantType: "nf4" } },
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
  PVERA: [
    { name: "linears", config: new PveraConfig({ r: 5, dInitial: 0.5, targetModules: everywhere }) },
    {
      name: "projections from the seed, random start, biases",
      config: new PveraConfig({
        ...{ r: 3, projectionPrngKey: 7, saveProjection: false, initWeights: false, bias: "pvera_only" },
        targetModules: "all-linear",
      }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new PveraConfig({ r: 4, dInitial: 0.5, targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
    {
      name: "bf16 base",
      config: new PveraConfig({ r: 4, dInitial: 0.5, targetModules: everywhere }),
      model: { dtype: "bf16" },
    },
  ],
  DEFT: [
    {
      name: "linears",
      config: new DeftConfig({ r: 3, targetModules: everywhere }),
      startsElsewhere: 1e-5,
    },
    {
      name: "orthonormal, scaled, biases",
      config: new DeftConfig({
        ...{ r: 4, decompositionMethod: "qr", alpha: 6, bias: "deft_only" },
        targetModules: "all-linear",
      }),
      startsElsewhere: 1e-5,
    },
    {
      name: "as many columns as outputs, random start",
      config: new DeftConfig({ r: 40, decompositionMethod: "qr", initWeights: false, targetModules: everywhere }),
      startsElsewhere: true,
    },
    {
      name: "PaRa",
      config: new DeftConfig({ r: 6, para: true, targetModules: "all-linear" }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new DeftConfig({ r: 3, targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
      startsElsewhere: 1e-5,
    },
    {
      name: "bf16 base",
      config: new DeftConfig({ r: 3, targetModules: everywhere }),
      model: { dtype: "bf16" },
      startsElsewhere: 1e-5,
    },
  ],
  PEANUT: [
    { name: "linears", config: new PeanutConfig({ r: 4, targetModules: linears }) },
    {
      name: "deep, random start",
      config: new PeanutConfig({
        ...{ r: 4, depth: 2, actFn: "silu", scaling: 2, initWeights: false },
        targetModules: linears,
      }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new PeanutConfig({ r: 4, depth: 1, actFn: "tanh", targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
    },
    {
      name: "bf16 base",
      config: new PeanutConfig({ r: 4, targetModules: linears }),
      model: { dtype: "bf16" },
    },
  ],
  SUPERTUNING: [
    { name: "linears", config: new SupertuningConfig({ sparsity: 0.7, targetModules: linears }) },
    {
      name: "positions from the weights, with a LoRA",
      config: new SupertuningConfig({
        ...{ sparsity: 0.8, r: 2, savePrecomputedIndices: false },
        targetModules: linears,
      }),
    },
    {
      name: "the smallest elements, random start, a whole module",
      config: new SupertuningConfig({
        ...{ sparsity: 0.8, selectTop: false, initWeights: false, modulesToSave: ["norm"] },
        targetModules: linears,
      }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new SupertuningConfig({ sparsity: 0.5, targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
    },
    {
      name: "bf16 base",
      config: new SupertuningConfig({ sparsity: 0.5, targetModules: linears }),
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
      name: "ranks by module",
      config: new HiraConfig({
        ...{ r: 2, rankPattern: { up: 3, embed_tokens: 1 }, targetModules: [...everywhere, "embed_tokens"] },
      }),
    },
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
      name: "bases from the seed",
      config: new RandLoraConfig({
        ...{ r: 3, randloraAlpha: 8, projectionPrngKey: 5, saveProjection: false, targetModules: everywhere },
      }),
    },
    {
      name: "very sparse bases, 4-bit base",
      config: new RandLoraConfig({ r: 1, randloraAlpha: 8, verySparse: true, targetModules: everywhere }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  ROAD: [
    {
      name: "a value for two outputs",
      config: new RoadConfig({ groupSize: 10, targetModules: ["up"], modulesToSave: ["lm_head"] }),
    },
    {
      name: "a value for each output, random start",
      config: new RoadConfig({
        ...{ variant: "road_2", groupSize: 2, initWeights: false },
        ...{ targetModules: ["up"], modulesToSave: ["lm_head"] },
      }),
      startsElsewhere: true,
    },
    {
      name: "two values for each output, bf16 base",
      config: new RoadConfig({
        ...{ variant: "road_4", groupSize: 2 },
        ...{ targetModules: ["up"], modulesToSave: ["lm_head"] },
      }),
      model: { dtype: "bf16" },
    },
    {
      name: "4-bit base",
      config: new RoadConfig({
        ...{ variant: "road_4", groupSize: 10 },
        ...{ targetModules: ["up"], modulesToSave: ["lm_head"] },
      }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  OSF: [
    { name: "half of the directions", config: new OSFConfig({ targetModules: linears }), startsElsewhere: 2e-6 },
    {
      name: "a pattern, random start, a whole module",
      config: new OSFConfig({
        ...{ effectiveRank: 0.9, rankPattern: { p$: 4 }, initWeights: false },
        ...{ modulesToSave: ["norm"], targetModules: linears },
      }),
      startsElsewhere: true,
    },
    {
      name: "bf16 base",
      config: new OSFConfig({ effectiveRank: 2, targetModules: linears }),
      model: { dtype: "bf16" },
      startsElsewhere: 2e-6,
    },
  ],
  ADAMSS: [
    {
      name: "linears",
      config: new AdamssConfig({ r: 4, subspaceRank: 2, numSubspaces: 3, targetModules: linears }),
      sizesFollowWeights: true,
    },
    {
      name: "dynamic ranks, random start, a whole module",
      config: new AdamssConfig({
        ...{ r: 5, subspaceRank: 3, numSubspaces: 2, useDynamicRank: true, initWeights: null, randomSeed: 3 },
        ...{ modulesToSave: ["norm"], targetModules: linears },
      }),
      startsElsewhere: true,
      sizesFollowWeights: true,
    },
    {
      name: "bf16 base",
      config: new AdamssConfig({ r: 4, numSubspaces: 3, targetModules: linears }),
      model: { dtype: "bf16" },
    },
  ],
  PSOFT: [
    {
      name: "linears",
      config: new PsoftConfig({ r: 5, psoftAlpha: 5, targetModules: linears }),
    },
    {
      name: "any matrix, square roots, approximate vectors, random start, dropout, a whole module",
      config: new PsoftConfig({
        ...{
          r: 4,
          psoftAlpha: 8,
          abSvdInit: "pissa_init",
          psoftSvd: "lowrank",
          psoftSvdLowrankNiter: 2,
          randomSeed: 5,
        },
        ...{ psoftOrth: false, psoftMagA: false, psoftDropout: 0.1, initWeights: false },
        ...{ modulesToSave: ["norm"], targetModules: linears },
      }),
      startsElsewhere: true,
    },
    {
      name: "series with a bounded norm, bf16 base",
      config: new PsoftConfig({
        ...{ r: 6, useCayleyNeumann: true, numCayleyNeumannTerms: 6, cayleyNeumannEps: 0.5, psoftMagB: false },
        targetModules: linears,
      }),
      model: { dtype: "bf16" },
    },
  ],
  FROD: [
    {
      name: "linears",
      config: new FrodConfig({ sparseRate: 0.2, targetModules: everywhere }),
      startsElsewhere: 1e-5,
    },
    {
      name: "the diagonal alone, dropout, biases",
      config: new FrodConfig({ sparseRate: 0, frodDropout: 0.1, bias: "frod_only", targetModules: "all-linear" }),
      startsElsewhere: 1e-5,
    },
    {
      name: "random start, a whole module",
      config: new FrodConfig({
        ...{ sparseRate: 1, projectionPrngKey: 5, initWeights: false, modulesToSave: ["norm"] },
        targetModules: everywhere,
      }),
      startsElsewhere: true,
    },
    {
      name: "bf16 base",
      config: new FrodConfig({ sparseRate: 0.2, targetModules: everywhere }),
      model: { dtype: "bf16" },
      startsElsewhere: 1e-5,
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
  GLORA: [
    { name: "products", config: new GloraConfig({ r: 2, targetModules: linears }) },
    {
      name: "vectors, random start, all biases",
      config: new GloraConfig({
        ...{ configAB: "vector", configC: "vector", configDE: "vector", initWeights: false, bias: "all" },
        targetModules: linears,
      }),
      startsElsewhere: true,
    },
    {
      name: "constants, without C",
      config: new GloraConfig({ configAB: "constant", configC: "none", targetModules: linears }),
    },
    {
      name: "biases alone",
      config: new GloraConfig({ r: 2, configAB: "none", configDE: "vector", targetModules: ["up"] }),
    },
    { name: "bf16 base", config: new GloraConfig({ r: 2, targetModules: linears }), model: { dtype: "bf16" } },
    {
      name: "4-bit base",
      config: new GloraConfig({ r: 2, targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  LILY: [
    {
      name: "shared by both layers",
      config: new LilyConfig({ r: 3, strideA: 2, scaling: 2, targetModules: linears }),
      unmergeable: /cannot be merged into the weights/,
    },
    {
      name: "each layer its own A, three B, random start",
      config: new LilyConfig({ r: 2, numB: 3, initWeights: false, targetModules: linears }),
      startsElsewhere: true,
      unmergeable: /cannot be merged into the weights/,
    },
    {
      name: "4-bit base",
      config: new LilyConfig({ r: 3, scaling: 2, targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
      unmergeable: /cannot be merged into the weights/,
    },
  ],
  // The experts are files: xlora.test.ts has its checks.
  XLORA: [],
  // The model of these cases builds no second decoder. shadow.node.test.ts of lowrank checks the method.
  SHADOW: [],
  POLY: [
    {
      name: "one task",
      config: new PolyConfig({ r: 3, nSkills: 3, targetModules: linears }),
      unmergeable: /cannot be merged into the weights/,
    },
    {
      name: "several tasks and splits, random start",
      config: new PolyConfig({
        r: 4,
        nTasks: 3,
        nSkills: 2,
        nSplits: 2,
        initWeights: false,
        targetModules: ["up"],
        modulesToSave: ["norm"],
      }),
      model: { taskIds: [2] },
      startsElsewhere: true,
      unmergeable: /cannot be merged into the weights/,
    },
    {
      name: "4-bit base",
      config: new PolyConfig({ r: 3, targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
      unmergeable: /cannot be merged into the weights/,
    },
    {
      name: "bf16 base",
      config: new PolyConfig({ r: 3, targetModules: linears }),
      model: { dtype: "bf16" },
      unmergeable: /cannot be merged into the weights/,
    },
  ],
  WAVEFT: [
    { name: "Haar", config: new WaveFTConfig({ nFrequency: 30, scaling: 2, targetModules: everywhere }) },
    {
      name: "longer filters, random start, pattern, biases",
      config: new WaveFTConfig({
        ...{ nFrequency: 20, nFrequencyPattern: { down: 40 }, scaling: 3, waveletFamily: "db3", randomLocSeed: 5 },
        ...{ initWeights: false, bias: "all", targetModules: [...everywhere, "lm_head"] },
      }),
      startsElsewhere: true,
    },
    {
      name: "elements, in proportion to sizes, 4-bit base",
      config: new WaveFTConfig({
        ...{ nFrequency: 40, scaling: 2, useIdwt: false, proportionalParameters: true, targetModules: everywhere },
      }),
      model: { quantize: { quantType: "nf4" } },
    },
  ],
  SHIRA: [
    { name: "linears", config: new ShiraConfig({ r: 2, targetModules: linears }) },
    {
      name: "seed, random start, a whole module",
      config: new ShiraConfig({
        ...{ r: 1, randomSeed: 7, initWeights: false, modulesToSave: ["norm"], targetModules: linears },
      }),
      startsElsewhere: true,
    },
    {
      name: "4-bit base",
      config: new ShiraConfig({ r: 3, targetModules: linears }),
      model: { quantize: { quantType: "nf4" } },
    },
    { name: "bf16 base", config: new ShiraConfig({ r: 2, targetModules: linears }), model: { dtype: "bf16" } },
  ],
  C3A: [
    { name: "zeros", config: new C3AConfig({ blockSize: 1, initWeights: true, targetModules: linears }) },
    {
      name: "default start, pattern, biases",
      config: new C3AConfig({ blockSize: 1, blockSizePattern: { up: 2 }, bias: "all", targetModules: linears }),
      startsElsewhere: true,
    },
    {
      name: "gaussian, bf16 base",
      config: new C3AConfig({
        blockSize: 1,
        blockSizePattern: { up: 2 },
        initWeights: "gaussian",
        targetModules: linears,
      }),
      model: { dtype: "bf16" },
      startsElsewhere: true,
    },
    {
      name: "kaiming, 4-bit base",
      config: new C3AConfig({
        blockSize: 1,
        initWeights: "kaiming_uniform",
        targetModules: [...everywhere, "lm_head"],
      }),
      model: { quantize: { quantType: "nf4" } },
      startsElsewhere: true,
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
  TINYLORA: [
    {
      name: "linears",
      config: new TinyLoraConfig({ r: 3, u: 20, targetModules: [...everywhere, "lm_head"] }),
    },
    {
      name: "embedding, one shared vector, uniform start, biases, projections from the seed",
      config: new TinyLoraConfig({
        ...{ u: 30, weightTying: 1, projectionSeed: 7, saveProjection: false, bias: "tinylora_only" },
        ...{ initWeights: "uniform", initVBound: 0.5, targetModules: [...everywhere, "embed_tokens"] },
      }),
      startsElsewhere: true,
    },
    {
      name: "rank above the sizes, some shared vectors, bf16 base",
      config: new TinyLoraConfig({ r: 9, u: 6, weightTying: 0.5, targetModules: [...everywhere, "lm_head"] }),
      model: { dtype: "bf16" },
    },
  ],
  UNILORA: [
    {
      name: "linears",
      config: new UniLoraConfig({
        ...{ r: 4, thetaDLength: 60, initThetaDBound: 0.5 },
        targetModules: [...everywhere, "lm_head"],
      }),
      startsElsewhere: true,
    },
    {
      name: "saved indices, normal start, biases, 4-bit base",
      config: new UniLoraConfig({
        ...{ r: 3, thetaDLength: 40, projSeed: 7, saveIndices: true, bias: "unilora_only", initWeights: false },
        targetModules: [...everywhere, "lm_head"],
      }),
      model: { quantize: { quantType: "nf4" } },
      startsElsewhere: true,
    },
    {
      name: "saved indices, bf16 base",
      config: new UniLoraConfig({
        ...{ r: 2, thetaDLength: 300, saveIndices: true, initThetaDBound: 0.5 },
        targetModules: everywhere,
      }),
      model: { dtype: "bf16" },
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
  MULTITASK_PROMPT_TUNING: [
    { name: "one task", config: new MultitaskPromptTuningConfig({ numVirtualTokens: 3, numRanks: 4 }), ...prompt },
    {
      name: "three tasks",
      config: new MultitaskPromptTuningConfig({ numVirtualTokens: 3, numTasks: 3, numRanks: 5 }),
      ...prompt,
      model: { attention: true, taskIds: [2, 0] },
    },
    {
      name: "4-bit base",
      config: new MultitaskPromptTuningConfig({ numVirtualTokens: 3, numTasks: 2, numRanks: 16 }),
      ...prompt,
      model: { attention: true, taskIds: [1], quantize: { quantType: "nf4" } },
    },
  ],
  CARTRIDGE: [
    { name: "a frozen token", config: new CartridgeConfig({ numVirtualTokens: 4 }), ...prompt },
    {
      name: "all tokens train, 4-bit base",
      config: new CartridgeConfig({ numVirtualTokens: 3, numFrozenTokens: 0 }),
      ...prompt,
      model: { attention: true, quantize: { quantType: "nf4" } },
    },
  ],
  CPT: [
    {
      name: "an example as context",
      config: new CPTConfig({
        ...{ cptTokenIds: [3, 7, 1, 5], cptTokensTypeMask: [1, 2, 3, 4] },
        ...{ optProjectionEpsilon: 50, optProjectionFormatEpsilon: 50 },
      }),
      ...prompt,
    },
    {
      name: "two examples with decay, 4-bit base",
      config: new CPTConfig({
        ...{ cptTokenIds: [3, 7, 2, 1, 9, 2], cptTokensTypeMask: [1, 2, 4, 5, 6, 8] },
        ...{ optWeightedLossType: "decay", optLossDecayFactor: 0.5 },
        ...{ optProjectionEpsilon: 50, optProjectionFormatEpsilon: 50 },
      }),
      ...prompt,
      model: { attention: true, quantize: { quantType: "nf4" } },
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
