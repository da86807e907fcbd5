import { affine, copyInto, le, mul, noGrad, scope, sqrt, square, type Tensor, where } from "@lowrank/core";
import type { Embedding, Linear, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import {
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { OFTConfig, oftFormat } from "./oftConfig.ts";
import {
  cayley,
  cayleyNeumann,
  cayleyNeumannOptions,
  rotateBlocks,
  type SkewMap,
  skewMap,
  skewSymmetric,
} from "./rotation.ts";

/** Returns the divisor of `features` that is nearest to `wanted`. If two are equally near, returns the smaller. */
function nearestDivisor(features: number, wanted: number): number {
  if (wanted >= features) return features;
  for (let distance = 0; ; distance++) {
    for (const divisor of [wanted - distance, wanted + distance]) {
      if (divisor >= 1 && features % divisor === 0) return divisor;
    }
  }
}

/**
 * Returns the number and size of the blocks into which a layer's features are split. Warns if the configured value had
 * to be changed to a divisor.
 */
function blocks({ config, path, warn }: LayerContext<OFTConfig>, features: number): { count: number; size: number } {
  const key = config.r === 0 ? "oftBlockSize" : "r";
  const divisor = nearestDivisor(features, config[key]);
  if (divisor !== config[key]) {
    const message = `${path}: ${key} ${config[key]} does not divide its ${features} features; ${divisor} is taken there`;
    warn({ code: "adjusted-size", message });
  }
  const other = features / divisor;
  return config.r === 0 ? { count: other, size: divisor } : { count: divisor, size: other };
}

/** OFT on a layer: rotates each block of `features` in a linear layer's input or in an embedding's output. */
class OftLayer implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly constants: readonly Tensor[];
  readonly #weight: Parameter;
  readonly #skew: SkewMap;
  readonly #config: OFTConfig;
  readonly #onInput: boolean;

  constructor(context: LayerContext<OFTConfig>, features: number) {
    const { config, kind } = context;
    this.#onInput = kind !== "embedding";
    const { count, size } = blocks(context, features);
    const { zero, normal } = draws(context);
    const shape = [config.blockShare ? 1 : count, (size * (size - 1)) / 2];
    this.#weight = drawn(config.initWeights ? zero : normal(0.1), shape);
    this.parameters = { [this.#onInput ? "oft_R.weight" : "oft_embedding_R.weight"]: this.#weight };
    this.#skew = skewMap(size, this.#weight);
    this.constants = [this.#skew.index, this.#skew.sign];
    this.#config = config;
  }

  /**
   * Limits each block's distance from the identity (constrained OFT). A block beyond the limit is scaled back, so that
   * its distance equals the limit. Changes the trained weight in place.
   */
  #constrain(): void {
    const weight = this.#weight.detach();
    const limit = this.#config.eps / Math.sqrt(weight.shape[0]);
    // Tolerance, so that blocks at the limit are not rescaled because of rounding.
    const far = limit * (1 + 1e-6);
    // Each trained value occurs twice in its skew-symmetric matrix, so the squared norm is doubled.
    const norms = sqrt(affine(square(weight).sum({ dim: 1, keepdim: true }), { scale: 2 }));
    copyInto(this.#weight, where(le(norms, far), weight, mul(weight, norms.reciprocal().mul(limit))));
  }

  #rotations(): Tensor {
    const { coft, useCayleyNeumann, numCayleyNeumannTerms } = this.#config;
    if (coft) noGrad(() => scope(() => this.#constrain()));
    const skew = skewSymmetric(this.#weight, this.#skew);
    return useCayleyNeumann ? cayleyNeumann(skew, numCayleyNeumannTerms) : cayley(skew);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => (this.#onInput ? base.forward(this.rotate(x)) : this.rotate(base.forward(x))));
  }

  /** Rotates each block of features in x [..., features]. */
  rotate(x: Tensor): Tensor {
    return rotateBlocks(x, this.#rotations());
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    const rotations = this.#rotations();
    return { weight: rotateBlocks(weight, this.#onInput ? rotations.transpose(1, 2) : rotations), ...rest };
  }
}

/**
 * OFT: rotates blocks of features by trained orthogonal matrices. Qiu et al. 2023, https://arxiv.org/abs/2306.07280;
 * applied to inputs instead of weights: Qiu et al. 2025, https://arxiv.org/abs/2506.19847
 */
export const oft: PeftMethod<OFTConfig> = definePeftMethod({
  peftType: "OFT",
  sizes: [],
  Config: OFTConfig,
  format: oftFormat,
  recipes: [
    {
      name: "oft",
      title: "OFT",
      learningRate: 3e-3,
      sizeOption: "oft-block-size",
      config: ({ targetModules }) => new OFTConfig({ targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("moduleDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "oftBlockSize",
      flag: "oft-block-size",
      type: "integer",
      least: 0,
      help: "size of a block; 0 if --r gives the number of blocks",
    },
    { field: "coft", flag: "coft", type: "boolean", help: "keep every block near to the identity" },
    { field: "eps", flag: "eps", type: "number", above: 0, help: "how far a block may go with --coft" },
    { field: "blockShare", flag: "block-share", type: "boolean", help: "one block for all of a layer" },
    ...cayleyNeumannOptions(0),
    initWeightsOption(),
  ],
  kinds: ["linear", "embedding", "convolution2d"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  setsFanInFanOut: true,
  swappable: { fields: ["initWeights"] },
  createLayer: async (context) => {
    const { base, kind } = context;
    if (kind === "linear") return new OftLayer(context, (base as Linear).inFeatures);
    if (kind === "embedding") return new OftLayer(context, (base as Embedding).weight.shape[1]);
    const { OftConvolution } = await import("./oftConvolution.ts");
    return new OftConvolution(context, ({ channels, elements }) => new OftLayer(context, channels * elements));
  },
});
