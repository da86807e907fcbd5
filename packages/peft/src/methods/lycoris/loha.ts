import { add, affine, matmul, mul, scope, type Tensor } from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import type { Linear, Module, Parameter } from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import {
  alphaOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankDropoutOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { LoHaConfig } from "./lohaConfig.ts";
import { LycorisDropout, lycorisDraws, lycorisRank } from "./lycoris.ts";
import { lycorisFormat } from "./lycorisConfig.ts";

/**
 * LoHa on a linear layer. The update is the elementwise product of two rank-r products, (A₁ B₁) ∘ (A₂ B₂), where each A
 * is [out, r] and each B [r, in].
 */
class LoHaLayer implements LayerAdapter {
  readonly parameters: Readonly<Record<"hada_w1_a" | "hada_w1_b" | "hada_w2_a" | "hada_w2_b", Parameter>>;
  readonly modules: Readonly<Record<string, Module>>;
  readonly #dropout: LycorisDropout;
  readonly #scaling: number;
  /**
   * True if multiplying by the update's two factors of rank r² takes fewer operations than multiplying by the full
   * update matrix.
   */
  readonly #factored: boolean;

  constructor(context: LayerContext<LoHaConfig>) {
    const { base, config, path } = context;
    const { inFeatures, outFeatures } = base as Linear;
    const { r, scaling } = lycorisRank(config, path);
    const { zero, usual } = lycorisDraws(context);
    this.parameters = {
      hada_w1_a: drawn(usual, [outFeatures, r]),
      hada_w1_b: drawn(usual, [r, inFeatures]),
      hada_w2_a: drawn(usual, [outFeatures, r]),
      hada_w2_b: drawn(config.initWeights ? zero : usual, [r, inFeatures]),
    };
    this.#dropout = new LycorisDropout(context);
    this.modules = this.#dropout.never ? {} : { hada_dropout: this.#dropout };
    this.#scaling = scaling;
    this.#factored = r * r * (inFeatures + outFeatures) < inFeatures * outFeatures;
  }

  forward(x: Tensor, base: Linear): Tensor {
    return scope(() => {
      if (this.#dropout.skips()) return base.forward(x);
      const mask = this.#dropout.mask(base, true);
      if (mask || !this.#factored || !base.isExact) {
        const added = this.#product(x);
        return add(base.forward(x), mask ? mul(added, mask) : added);
      }
      const y = loraLinear(x, base.weight, ...this.#factors(), { scaling: this.#scaling });
      return base.bias ? add(y, toF32(base.bias)) : y;
    });
  }

  /**
   * Function that maps the layer's input to the values that the adapter adds to the base layer's output. Undefined if
   * rank or module dropout is configured.
   */
  get added(): ((x: Tensor) => Tensor) | undefined {
    return this.#dropout.never ? (x) => this.#product(x) : undefined;
  }

  /** Returns the update for x that is added to the base layer's output, without dropout. */
  #product(x: Tensor): Tensor {
    if (!this.#factored) return matmul(x, this.#delta(), { transposeB: true });
    const [a, b] = this.#factors();
    const low = affine(matmul(x, a, { transposeB: true }), { scale: this.#scaling });
    return matmul(low, b, { transposeB: true });
  }

  /**
   * Returns the update matrix as one product B A of rank r²: A [r², in] and B [out, r²]. Each pair of ranks, one from
   * each product, gives one rank of the result.
   */
  #factors(): [a: Tensor, b: Tensor] {
    const { hada_w1_a, hada_w1_b, hada_w2_a, hada_w2_b } = this.parameters;
    const [r, inFeatures] = hada_w1_b.shape;
    const [outFeatures] = hada_w1_a.shape;
    const a = mul(hada_w1_b.reshape([r, 1, inFeatures]), hada_w2_b.reshape([1, r, inFeatures]));
    const b = mul(hada_w1_a.reshape([outFeatures, r, 1]), hada_w2_a.reshape([outFeatures, 1, r]));
    return [a.reshape([r * r, inFeatures]), b.reshape([outFeatures, r * r])];
  }

  /** Returns the update matrix that is added to the weight, [out, in]. */
  #delta(): Tensor {
    const { hada_w1_a, hada_w1_b, hada_w2_a, hada_w2_b } = this.parameters;
    const product = mul(matmul(hada_w1_a, hada_w1_b), matmul(hada_w2_a, hada_w2_b));
    return affine(product, { scale: this.#scaling });
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    return { weight: add(weight, this.#delta()), ...rest };
  }
}

/**
 * LoHa: an update of rank r², the elementwise product of two rank-r products. Hyeon-Woo et al. 2021 (FedPara),
 * https://arxiv.org/abs/2108.06098; Yeh et al. 2023 (LyCORIS), https://arxiv.org/abs/2309.14859
 */
export const loha: PeftMethod<LoHaConfig> = definePeftMethod({
  peftType: "LOHA",
  Config: LoHaConfig,
  format: lycorisFormat,
  recipes: [
    {
      name: "loha",
      title: "LoHa",
      learningRate: 1e-2,
      config: ({ r, targetModules }) => new LoHaConfig({ r, alpha: 2 * r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    alphaOption("alpha"),
    dropoutOption("moduleDropout"),
    targetsOption,
    modulesToSaveOption,
    rankDropoutOption,
    initWeightsOption(),
  ],
  kinds: ["linear", "convolution1d", "convolution2d"],
  defaultTargets: attentionTargets,
  patterns: ({ rankPattern, alphaPattern }) => ({ rankPattern, alphaPattern }),
  swappable: { fields: ["initWeights"] },
  createLayer: async (context) =>
    context.kind === "linear"
      ? new LoHaLayer(context)
      : (await import("./lohaConvolution.ts")).lohaConvolution(context),
});
