import { add, clamp, div, matmul, mul, scope, sqrt, square, sum, type Tensor } from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { patternValue } from "../../targets/pattern.ts";
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
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { DeloraConfig, deloraFormat } from "./deloraConfig.ts";

/**
 * Returns the norms of a matrix's rows (`dim` 1) or columns (`dim` 0). Norms below 1e-4 are replaced by 1e-4 and get no
 * gradient.
 */
function lengths(matrix: Tensor, dim: number): Tensor {
  return sqrt(clamp(sum(square(matrix), { dim }), { min: 1e-8 }));
}

/**
 * DeLoRA on a linear layer with A [r, in] and B [out, r]. Adds B S A diag(n) to the weight. The diagonal matrix S has
 * elements λ / (r |row i of A| |column i of B|). n [in] contains the column norms of the initial base weight.
 */
class DeloraLinear implements LayerAdapter {
  readonly parameters: {
    readonly delora_A: Parameter;
    readonly delora_B: Parameter;
    readonly delora_lambda: Parameter;
  };
  readonly buffers: { readonly delora_w_norm: Tensor };
  readonly modules: Record<string, Module>;
  readonly #dropout: Dropout;
  readonly #rank: number;

  constructor(context: LayerContext<DeloraConfig>) {
    const { config, path, loading } = context;
    const { inFeatures, outFeatures, weight } = context.base as Linear;
    const { zero, uniform, constant } = draws(context);
    this.#rank = patternValue(config.rankPattern, path, config.r);
    const strength = patternValue(config.lambdaPattern, path, config.deloraLambda);
    this.parameters = {
      delora_A: drawn(uniform(1 / Math.sqrt(inFeatures)), [this.#rank, inFeatures]),
      delora_B: drawn(config.initWeights ? zero : uniform(1 / Math.sqrt(this.#rank)), [outFeatures, this.#rank]),
      delora_lambda: drawn(constant(strength), [1]),
    };
    const columnLengths = () => scope(() => sqrt(sum(square(toF32(weight.detach())), { dim: 0 })));
    this.buffers = { delora_w_norm: loading ? zero([inFeatures]) : columnLengths() };
    this.#dropout = layerDropout(context, config.moduleDropout);
    this.modules = config.moduleDropout > 0 ? { delora_dropout: this.#dropout } : {};
  }

  /** Returns the r diagonal elements λ / (r |row of A| |column of B|), [r]. */
  #scales(): Tensor {
    const { delora_A: a, delora_B: b, delora_lambda: strength } = this.parameters;
    return div(mul(strength, 1 / this.#rank), mul(lengths(a, 1), lengths(b, 0)));
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const { delora_A: a, delora_B: b } = this.parameters;
    const weighted = mul(this.#dropout.forward(x), this.buffers.delora_w_norm);
    const low = mul(matmul(weighted, a, { transposeB: true }), this.#scales());
    return matmul(low, b, { transposeB: true });
  }

  merge(base: DenseLayer): DenseLayer {
    const { delora_A: a, delora_B: b } = this.parameters;
    const weighted = mul(mul(a, this.buffers.delora_w_norm), this.#scales().reshape([-1, 1]));
    return addProduct(base, weighted, b);
  }
}

/**
 * DeLoRA: normalised low-rank updates. A trained strength λ bounds the size of an update. Bini et al. 2025,
 * https://arxiv.org/abs/2503.18225
 */
export const delora: PeftMethod<DeloraConfig> = definePeftMethod({
  peftType: "DELORA",
  Config: DeloraConfig,
  format: deloraFormat,
  recipes: [
    {
      name: "delora",
      title: "DeLoRA",
      learningRate: 3e-3,
      config: ({ r, targetModules }) => new DeloraConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("moduleDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "deloraLambda",
      flag: "delora-lambda",
      type: "number",
      help: "strength at the start, which bounds how far the weight goes",
    },
    initWeightsOption(),
  ],
  kinds: ["linear"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  patterns: ({ rankPattern, lambdaPattern }) => ({ rankPattern, lambdaPattern }),
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new DeloraLinear(context),
});
