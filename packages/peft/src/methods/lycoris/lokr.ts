import { add, affine, matmul, mul, scope, type Tensor } from "@lowrank/core";
import type { Linear, Module, Parameter } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
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
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { LoKrConfig, lokrFormat } from "./lokrConfig.ts";
import { kronecker, lokrMatrices, lokrTensors } from "./lokrTensors.ts";
import { LycorisDropout, lycorisRank } from "./lycoris.ts";

/**
 * LoKr on a linear layer. The update is the Kronecker product of a smaller and a larger matrix. Each matrix is trained
 * in full or as a product of rank r.
 */
class LoKrLayer implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly modules: Readonly<Record<string, Module>>;
  readonly #dropout: LycorisDropout;
  readonly #scalesDropout: boolean;
  readonly #scaling: number;

  constructor(context: LayerContext<LoKrConfig>) {
    const { base, config, path } = context;
    const { inFeatures, outFeatures } = base as Linear;
    this.parameters = lokrTensors(context, { outputs: outFeatures, inputs: inFeatures, kernel: [] });
    this.#dropout = new LycorisDropout(context);
    this.modules = this.#dropout.never ? {} : { lokr_dropout: this.#dropout };
    this.#scalesDropout = config.rankDropoutScale;
    this.#scaling = lycorisRank(config, path).scaling;
  }

  /** Returns the two matrices of the Kronecker product: [out₁, in₁] and [out₂, in₂]. */
  #matrices(): [Tensor, Tensor] {
    return lokrMatrices(this.parameters);
  }

  forward(x: Tensor, base: Linear): Tensor {
    return scope(() => {
      const y = base.forward(x);
      if (this.#dropout.skips()) return y;
      const mask = this.#dropout.mask(base, this.#scalesDropout);
      const added = this.#product(x);
      return add(y, mask ? mul(added, mask) : added);
    });
  }

  /**
   * Function that maps the layer's input to the values that the adapter adds to the base layer's output. Undefined if
   * rank or module dropout is configured.
   */
  get added(): ((x: Tensor) => Tensor) | undefined {
    return this.#dropout.never ? (x) => this.#product(x) : undefined;
  }

  /**
   * Returns the update scaling · x (W₁ ⊗ W₂)ᵀ without forming the Kronecker product: each row of x, as [in₁, in₂],
   * becomes [in₁, out₂] and then [out₁, out₂].
   */
  #product(x: Tensor): Tensor {
    const [left, right] = this.#matrices();
    const [out1, in1] = left.shape;
    const [out2, in2] = right.shape;
    const inner = matmul(x.reshape([-1, in2]), right, { transposeB: true });
    const outer = matmul(left, inner.reshape([-1, in1, out2]));
    return affine(outer, { scale: this.#scaling }).reshape([...x.shape.slice(0, -1), out1 * out2]);
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    const delta = affine(kronecker(...this.#matrices()), { scale: this.#scaling });
    return { weight: add(weight, delta), ...rest };
  }
}

/** LoKr: an update that is a Kronecker product. Yeh et al. 2023 (LyCORIS), https://arxiv.org/abs/2309.14859 */
export const lokr: PeftMethod<LoKrConfig> = definePeftMethod({
  peftType: "LOKR",
  sizes: [],
  Config: LoKrConfig,
  format: lokrFormat,
  recipes: [
    {
      name: "lokr",
      title: "LoKr",
      learningRate: 1e-2,
      sizeOption: "decompose-factor",
      config: ({ r, targetModules }) => new LoKrConfig({ r, alpha: 2 * r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    alphaOption("alpha"),
    dropoutOption("moduleDropout"),
    targetsOption,
    modulesToSaveOption,
    rankDropoutOption,
    {
      field: "rankDropoutScale",
      flag: "rank-dropout-scale",
      type: "boolean",
      help: "divide what rank dropout leaves by its share",
    },
    {
      field: "decomposeBoth",
      flag: "decompose-both",
      type: "boolean",
      help: "factor the left matrix of the product too",
    },
    {
      field: "decomposeFactor",
      flag: "decompose-factor",
      type: "integer",
      least: -1,
      help: "how many parts sizes are cut into, near this; -1: near the square root",
    },
    initWeightsOption([true, false, "lycoris"]),
  ],
  kinds: ["linear", "convolution1d", "convolution2d"],
  defaultTargets: attentionTargets,
  patterns: ({ rankPattern, alphaPattern }) => ({ rankPattern, alphaPattern }),
  swappable: { fields: ["initWeights"] },
  createLayer: async (context) =>
    context.kind === "linear"
      ? new LoKrLayer(context)
      : (await import("./lokrConvolution.ts")).lokrConvolution(context),
});
