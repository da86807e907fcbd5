import { add, indexSelect, linear, matmul, mul, scope, type Tensor } from "@lowrank/core";
import { Conv1D, type Dropout, type Linear, type Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import type { Warning } from "../../config/warning.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { patternValue } from "../../targets/pattern.ts";
import {
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { HiraConfig, hiraFormat } from "./hiraConfig.ts";

/** Returns B A, or its transpose if the weight is stored as [in, out]. A is [r, in], B [out, r]. */
function product(a: Tensor, b: Tensor, fanInFanOut: boolean): Tensor {
  return fanInFanOut ? matmul(a, b, { transposeA: true, transposeB: true }) : matmul(b, a);
}

const patternWarning: Warning = {
  code: "differs-in-peft",
  message:
    "HiRA's rankPattern: PEFT 0.21 ignores it for the first adapter of a layer, and then cannot load this adapter; add the adapter there with load_adapter after another HiRA adapter, or leave rankPattern out",
};

/**
 * Returns the rank of a layer. PEFT 0.21 uses `rankPattern` only for the second and later adapters of a layer. In a
 * file, the shape of A (the tensor `key`) therefore determines whether the rank is `r` or the pattern's.
 */
function rankOf({ config, path, loading, shapeOf, warn }: LayerContext<HiraConfig>, key: string): number {
  const r = patternValue(config.rankPattern, path, config.r);
  if (loading) return shapeOf(key)?.[0] === config.r ? config.r : r;
  if (r !== config.r) warn(patternWarning);
  return r;
}

/** HiRA on a linear layer: the weight becomes W + W ⊙ B A, where ⊙ multiplies elementwise. */
class HiraLinear implements LayerAdapter {
  readonly parameters: { readonly hira_A: Parameter; readonly hira_B: Parameter };
  readonly modules: Record<string, Module>;
  readonly #dropout: Dropout;

  constructor(context: LayerContext<HiraConfig>) {
    const { config } = context;
    const { inFeatures, outFeatures } = context.base as Linear;
    const r = rankOf(context, "hira_A");
    const { zero, uniform, normal } = draws(context);
    const random = !config.initWeights;
    const a = random
      ? normal(1)
      : config.initWeights === "gaussian"
        ? normal(1 / r)
        : uniform(1 / Math.sqrt(inFeatures));
    this.parameters = {
      hira_A: drawn(a, [r, inFeatures]),
      hira_B: drawn(random ? normal(1) : zero, [outFeatures, r]),
    };
    this.#dropout = layerDropout(context, config.hiraDropout);
    this.modules = config.hiraDropout > 0 ? { hira_dropout: this.#dropout } : {};
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const { hira_A: a, hira_B: b } = this.parameters;
    const { weight, bias } = base as Linear;
    const fanInFanOut = base instanceof Conv1D;
    return scope(() => {
      const dropped = this.#dropout.forward(x);
      const factors = product(a, b, fanInFanOut);
      // Without dropout, one product with W ⊙ (1 + B A) suffices.
      if (dropped === x) return linear(x, mul(toF32(weight), add(factors, 1)), bias, { fanInFanOut });
      return add(base.forward(x), linear(dropped, mul(toF32(weight), factors), null, { fanInFanOut }));
    });
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer, bare: DenseLayer): DenseLayer {
    const { hira_A: a, hira_B: b } = this.parameters;
    return { weight: add(weight, mul(bare.weight, product(a, b, fanInFanOut))), bias, fanInFanOut };
  }
}

/** HiRA on an embedding with A [r, vocabulary] and B [dim, r]. */
class HiraEmbedding implements LayerAdapter {
  readonly parameters: { readonly hira_embedding_A: Parameter; readonly hira_embedding_B: Parameter };

  constructor(context: LayerContext<HiraConfig>) {
    const [vocabulary, dim] = (context.base as Linear).weight.shape;
    const { initWeights } = context.config;
    const r = rankOf(context, "hira_embedding_A");
    const { zero, normal } = draws(context);
    this.parameters = {
      hira_embedding_A: drawn(initWeights ? zero : normal(1), [r, vocabulary]),
      hira_embedding_B: drawn(normal(1), [dim, r]),
    };
  }

  forward(ids: Tensor, base: UnaryModule): Tensor {
    const { hira_embedding_A: a, hira_embedding_B: b } = this.parameters;
    return scope(() => {
      const y = base.forward(ids);
      const columns = indexSelect(a, ids.reshape([-1]), { dim: 1 });
      return mul(y, add(product(columns, b, true).reshape(y.shape), 1));
    });
  }

  merge({ weight, ...rest }: DenseLayer, bare: DenseLayer): DenseLayer {
    const { hira_embedding_A: a, hira_embedding_B: b } = this.parameters;
    return { weight: add(weight, mul(bare.weight, product(a, b, true))), ...rest };
  }
}

/**
 * HiRA: multiplies the weight elementwise by a low-rank matrix. Huang et al. 2025,
 * https://openreview.net/forum?id=TwJrTz9cRS
 */
export const hira: PeftMethod<HiraConfig> = definePeftMethod({
  peftType: "HIRA",
  Config: HiraConfig,
  format: hiraFormat,
  recipes: [
    {
      name: "hira",
      title: "HiRA",
      learningRate: 1e-2,
      config: ({ r, targetModules }) => new HiraConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("hiraDropout"),
    targetsOption,
    modulesToSaveOption,
    initWeightsOption([true, false, "gaussian"]),
  ],
  kinds: ["linear", "conv1d", "embedding", "convolution1d", "convolution2d"],
  defaultTargets: attentionTargets,
  patterns: ({ rankPattern }) => ({ rankPattern }),
  swappable: { fields: ["fanInFanOut", "initWeights"] },
  createLayer: async (context) => {
    if (context.kind === "embedding") return new HiraEmbedding(context);
    if (!context.kind.startsWith("convolution")) return new HiraLinear(context);
    return (await import("./hiraConvolution.ts")).hiraConvolution(context, rankOf(context, "hira_A"));
  },
});
