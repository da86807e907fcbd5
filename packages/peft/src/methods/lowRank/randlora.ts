import { add, affine, div, gt, le, matmul, mul, rand, scope, std, sub, type Tensor, zeros } from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
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

/** Creates the random bases, with standard deviation 1 and large enough for the largest layer. */
function bases({ layers, config, generator, loading }: SharedContext<RandLoraConfig>): Bases {
  const { r, sparse, verySparse } = config;
  const linears = layers.map(({ base }) => base as Linear);
  const most = [
    Math.max(...linears.map(({ inFeatures }) => inFeatures)),
    Math.max(...linears.map(({ outFeatures }) => outFeatures)),
  ];
  const [small, large] = [Math.min(...most), Math.max(...most)];
  const { backend } = linears[0].weight.storage;
  const nonzero = verySparse ? 1 / Math.sqrt(small) : sparse ? 1 / 3 : null;
  const draw = (shape: readonly number[]): Tensor => {
    if (loading || backend.dataless) return zeros(shape, { backend });
    return scope(() => {
      const uniform = rand(shape, { generator, low: -1, backend });
      const signs = (share: number) => sub(gt(uniform, 1 - share).to("f32"), le(uniform, share - 1).to("f32"));
      const basis = nonzero === null ? uniform : signs(nonzero);
      return div(basis, std(basis));
    });
  };
  const buffers = { randlora_A: draw([r, 1, small]), randlora_B: draw([large, basesFor(small, r), r]) };
  return { buffers, savesBuffers: true };
}

/**
 * RandLoRA on a linear layer. The update is a sum of n products of random bases of rank r. Two trained tensors scale
 * them: λ [r, n] has a factor for each rank of each basis. γ [n, small] has a factor for each basis and each index of
 * the weight's smaller dimension.
 */
class RandLoraLinear implements LayerAdapter {
  readonly parameters: { readonly randlora_lambda: Parameter; readonly randlora_gamma: Parameter };
  /** The random bases. All layers share these tensors, but PEFT's files contain a copy for each layer. */
  readonly buffers: Bases["buffers"];
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
    this.buffers = (context.shared as Bases).buffers;
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
    const { randlora_A: a, randlora_B: b } = this.buffers;
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
