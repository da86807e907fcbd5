import { add, affine, matmul, mul, scope, type Tensor, tensor, zeros } from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import type { Warning } from "../../config/warning.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { roundToBf16, TorchGenerator } from "../../random/torchGenerator.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import {
  alphaOption,
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { addProduct, leadingBlock } from "../shared/mergedWeight.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { RandLoraConfig, randloraFormat } from "./randloraConfig.ts";

interface Bases extends SharedTensors {
  /**
   * The random bases A [r, 1, small] and B [large, n, r]. n is the number of bases. `small` is the smaller and `large`
   * the larger of two sizes: the largest input size and the largest output size of all layers. Smaller layers use the
   * first entries along each dimension.
   */
  buffers: { randlora_A: Tensor; randlora_B: Tensor };
}

/**
 * Returns the number of bases of rank r that are needed for an update of full rank. `size` is the smaller dimension of
 * the layer's weight.
 */
const basesFor = (size: number, r: number): number => Math.ceil(size / r);

/** Returns the standard deviation of values, as PyTorch computes it, in f64. */
function deviation(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/**
 * Returns PEFT's random values for a basis [..., n], divided by their standard deviation. If `share` is given, that
 * share of the values is -1 or 1 before the division, and the others are 0. Otherwise the values are bf16 numbers, as
 * in PEFT on a machine without a GPU or with one that supports bf16.
 */
function basis(generator: TorchGenerator, shape: readonly number[], share: number | null): Float32Array {
  const count = shape.reduce((product, n) => product * n, 1);
  if (share === null) {
    const bound = 1 / Math.sqrt(shape[shape.length - 1]);
    return generator.uniformBf16(count, -bound, bound);
  }
  const [low, high] = [Math.fround(share / 2), Math.fround(1 - share / 2)];
  return generator.uniform(count, 0, 1).map((value) => (value < low ? -1 : value > high ? 1 : 0));
}

/** Divides a basis by its standard deviation, in bf16 or f32. */
function normalized(values: Float32Array, round: (value: number) => number): Float32Array {
  const by = round(deviation(values));
  return values.map((value) => round(value / by));
}

/**
 * Creates the random bases, with standard deviation 1 and large enough for the largest layer. They are PEFT's for the
 * same seed, so a file can leave them out.
 */
function bases({ layers, config, loading }: SharedContext<RandLoraConfig>): Bases {
  const { r, sparse, verySparse, projectionPrngKey, saveProjection } = config;
  const linears = layers.map(({ base }) => base as Linear);
  const most = [
    Math.max(...linears.map(({ inFeatures }) => inFeatures)),
    Math.max(...linears.map(({ outFeatures }) => outFeatures)),
  ];
  const [small, large] = [Math.min(...most), Math.max(...most)];
  const { backend } = linears[0].weight.storage;
  const n = basesFor(small, r);
  const [shapeA, shapeB] = [
    [r, 1, small],
    [large, n, r],
  ];
  const sharing = { savesBuffers: saveProjection };
  if (backend.dataless || (loading && saveProjection)) {
    return { buffers: { randlora_A: zeros(shapeA, { backend }), randlora_B: zeros(shapeB, { backend }) }, ...sharing };
  }
  const share = verySparse ? 1 / Math.sqrt(small) : sparse ? 1 / 3 : null;
  const generator = new TorchGenerator(projectionPrngKey);
  const round = share === null ? roundToBf16 : Math.fround;
  const A = normalized(basis(generator, shapeA, share), round);
  // PEFT draws one basis after the other, each [large, 1, r], and joins them along dimension 1.
  const B = share === null ? new Float32Array(large * n * r) : basis(generator, shapeB, share);
  for (let i = 0; share === null && i < n; i++) {
    const drawnBasis = basis(generator, [large, 1, r], share);
    for (let row = 0; row < large; row++) B.set(drawnBasis.subarray(row * r, (row + 1) * r), (row * n + i) * r);
  }
  return {
    buffers: {
      randlora_A: tensor(A, { shape: shapeA, backend }),
      randlora_B: tensor(normalized(B, round), { shape: shapeB, backend }),
    },
    ...sharing,
  };
}

const seedWarning: Warning = {
  code: "start-not-repeatable",
  message:
    "RandLoRA's saveProjection is false: the file contains only the seed of the random bases. PEFT draws the same bases with PyTorch 2.15 on a CPU or on a GPU with bf16, and others elsewhere; leave saveProjection true for those",
};

/**
 * RandLoRA on a linear layer. The update is a sum of n products of random bases of rank r. Two trained tensors scale
 * them: λ [r, n] has a factor for each rank of each basis. γ [n, small] has a factor for each basis and each index of
 * the weight's smaller dimension.
 */
class RandLoraLinear implements LayerAdapter {
  readonly parameters: { readonly randlora_lambda: Parameter; readonly randlora_gamma: Parameter };
  readonly bases: Bases["buffers"];
  /** The random bases, if files contain them. All layers share them, but PEFT's files contain a copy for each layer. */
  readonly buffers: Bases["buffers"] | Record<string, never>;
  readonly modules: Record<string, Module>;
  readonly #dropout: Dropout;
  readonly #scaling: number;
  readonly #inFeatures: number;
  readonly #outFeatures: number;

  constructor(context: LayerContext<RandLoraConfig>) {
    const { config } = context;
    const { inFeatures, outFeatures } = context.base as Linear;
    const [small, large] = [Math.min(inFeatures, outFeatures), Math.max(inFeatures, outFeatures)];
    const { zero, normal, constant } = draws(context);
    const n = basesFor(small, config.r);
    this.parameters = {
      randlora_lambda: drawn(config.initWeights ? zero : normal(1), [config.r, n]),
      randlora_gamma: drawn(constant(1 / (config.initWeights ? Math.max(n, small) : large)), [n, small]),
    };
    const { buffers, savesBuffers } = context.shared as Bases;
    this.bases = buffers;
    this.buffers = savesBuffers ? buffers : {};
    if (!savesBuffers) context.warn(seedWarning);
    this.#dropout = layerDropout(context, config.randloraDropout);
    this.modules = config.randloraDropout > 0 ? { randlora_dropout: this.#dropout } : {};
    this.#scaling = config.randloraAlpha / config.r;
    this.#inFeatures = inFeatures;
    this.#outFeatures = outFeatures;
  }

  /**
   * Returns A [k, in] and B [out, k], whose product is the update of the weight. k is n · r, the number of bases times
   * their rank.
   */
  #factors(): [a: Tensor, b: Tensor] {
    const { randlora_lambda: lambda, randlora_gamma: gamma } = this.parameters;
    const { randlora_A: a, randlora_B: b } = this.bases;
    const [r, n] = lambda.shape;
    const [, small] = gamma.shape;
    const large = Math.max(this.#inFeatures, this.#outFeatures);
    const scaled = mul(mul(lambda.reshape([r, n, 1]), leadingBlock(a, [r, 1, small])), gamma);
    // PEFT flattens one factor with the basis index fastest and the other with the rank index fastest.
    const trained = affine(scaled.reshape([r * n, small]), { scale: this.#scaling });
    const fixed = leadingBlock(b, [large, n, r]).reshape([large, n * r]);
    const isWide = small === this.#inFeatures;
    return isWide ? [trained, fixed] : [fixed.transpose(0, 1), trained.transpose(0, 1)];
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const [a, b] = this.#factors();
    return matmul(matmul(this.#dropout.forward(x), a, { transposeB: true }), b, { transposeB: true });
  }

  merge(base: DenseLayer): DenseLayer {
    return addProduct(base, ...this.#factors());
  }
}

/**
 * RandLoRA: full-rank updates as sums of random low-rank bases. Albert et al. 2025, https://arxiv.org/abs/2502.00987
 */
export const randlora: PeftMethod<RandLoraConfig> = definePeftMethod({
  peftType: "RANDLORA",
  Config: RandLoraConfig,
  format: randloraFormat,
  recipes: [
    {
      name: "randlora",
      title: "RandLoRA",
      learningRate: 3e-3,
      config: ({ r, targetModules }) => new RandLoraConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    alphaOption("randloraAlpha"),
    dropoutOption("randloraDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "projectionPrngKey",
      flag: "projection-prng-key",
      type: "integer",
      help: "seed of the random bases",
    },
    {
      field: "saveProjection",
      flag: "save-projection",
      type: "oneOf",
      values: [true, false],
      help: "save the bases with the adapter",
    },
    { field: "sparse", flag: "sparse", type: "boolean", help: "bases of -1, 0 and 1, two thirds of them 0" },
    { field: "verySparse", flag: "very-sparse", type: "boolean", help: "bases with fewer non-zero elements" },
    initWeightsOption(),
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  createShared: bases,
  setsFanInFanOut: true,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new RandLoraLinear(context),
});
