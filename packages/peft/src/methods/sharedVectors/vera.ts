import { add, matmul, mul, scope, type Tensor } from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { queryAndValue } from "../../targets/pattern.ts";
import {
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { addProduct } from "../shared/mergedWeight.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { type LinearSizes, layerProjections, randomProjections } from "./randomProjections.ts";
import { VeraConfig, veraFormat } from "./veraConfig.ts";

/** The modules that VeRA adapts by default, by `model_type`. */
const veraTargets: Readonly<Record<string, readonly string[]>> = { ...attentionTargets, phi: queryAndValue };

interface Projections extends SharedTensors {
  /**
   * The random projections A [r, largest in] and B [largest out, r]. Smaller layers use their first columns and rows.
   */
  buffers: { vera_A: Tensor; vera_B: Tensor };
}

function projections(context: SharedContext<VeraConfig>): Projections {
  const { r, saveProjection } = context.config;
  const { a, b } = randomProjections(context, r);
  return { buffers: { vera_A: a, vera_B: b }, savesBuffers: saveProjection };
}

/** VeRA on a linear layer. Adds λb ⊙ B (λd ⊙ A x) to the output, with trained λd [r] and λb [out]. */
class VeraLinear implements LayerAdapter {
  readonly parameters: { readonly vera_lambda_b: Parameter; readonly vera_lambda_d: Parameter };
  readonly modules: Record<string, Module>;
  readonly #dropout: Dropout;
  readonly #shared: Projections;
  readonly #sizes: LinearSizes;

  constructor(context: LayerContext<VeraConfig>) {
    const { config, shared } = context;
    const { inFeatures, outFeatures } = context.base as Linear;
    this.#sizes = { inFeatures, outFeatures };
    const { zero, one, normal, constant } = draws(context);
    this.parameters = {
      vera_lambda_b: drawn(config.initWeights ? zero : one, [outFeatures]),
      vera_lambda_d: drawn(config.initWeights ? constant(config.dInitial) : normal(1), [config.r]),
    };
    this.#dropout = layerDropout(context, config.veraDropout);
    this.modules = config.veraDropout > 0 ? { vera_dropout: this.#dropout } : {};
    this.#shared = shared as Projections;
  }

  /** Returns the parts of the shared projections that this layer uses: A [r, in] and B [out, r]. */
  #corners(): [a: Tensor, b: Tensor] {
    const { vera_A: a, vera_B: b } = this.#shared.buffers;
    return layerProjections({ a, b }, this.#sizes);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const { vera_lambda_b: outer, vera_lambda_d: inner } = this.parameters;
    const [a, b] = this.#corners();
    const low = mul(matmul(this.#dropout.forward(x), a, { transposeB: true }), inner);
    return mul(matmul(low, b, { transposeB: true }), outer);
  }

  merge(base: DenseLayer): DenseLayer {
    const { vera_lambda_b: outer, vera_lambda_d: inner } = this.parameters;
    const [a, b] = this.#corners();
    return addProduct(base, mul(a, inner.reshape([-1, 1])), mul(b, outer.reshape([-1, 1])));
  }
}

/**
 * VeRA: trains vectors that scale frozen random projections, which all layers share. Kopiczko et al. 2023,
 * https://arxiv.org/abs/2310.11454
 */
export const vera: PeftMethod<VeraConfig> = definePeftMethod({
  peftType: "VERA",
  Config: VeraConfig,
  format: veraFormat,
  recipes: [
    {
      name: "vera",
      title: "VeRA",
      learningRate: 3e-2,
      config: ({ targetModules }) => new VeraConfig({ targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("veraDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    { field: "dInitial", flag: "d-initial", type: "number", help: "start of the inner vector" },
    {
      field: "projectionPrngKey",
      flag: "projection-prng-key",
      type: "integer",
      help: "seed of the random projections",
    },
    {
      field: "saveProjection",
      flag: "save-projection",
      type: "oneOf",
      values: [true, false],
      help: "save the projections with the adapter",
    },
    initWeightsOption(),
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: veraTargets,
  bias: ({ bias }) => biasMode(bias),
  createShared: projections,
  setsFanInFanOut: true,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new VeraLinear(context),
});
