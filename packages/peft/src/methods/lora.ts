import { add, affine, indexSelect, isPacked, loraLinear, matmul, scope, type Tensor } from "@lowrank/core";
import { type Dropout, Linear, type Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, wide } from "../layers/tunerLayer.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../method.ts";
import { attentionTargets } from "../targets/defaultTargets.ts";
import { patternValue } from "../targets/pattern.ts";
import { drawn, draws, layerDropout } from "./draws.ts";
import { type LoftQStart, loftq } from "./loftq.ts";
import { type LoftQConfig, LoraConfig, loraFormat } from "./loraConfig.ts";

/** The factor of B A on the layer at `path`: alpha / r, or alpha / √r where rank-stabilised. */
export function loraScaling(config: LoraConfig, path: string): number {
  const { r, alpha } = rankAndAlpha(config, path);
  return config.useRslora ? alpha / Math.sqrt(r) : alpha / r;
}

function rankAndAlpha(config: LoraConfig, path: string): { r: number; alpha: number } {
  return {
    r: patternValue(config.rankPattern, path, config.r),
    alpha: patternValue(config.alphaPattern, path, config.loraAlpha),
  };
}

/** Initialisations that leave the base model as it is, so that a trained adapter's file says all. */
const harmless = ["gaussian", "eva", "orthogonal"];

/** How A and B start, as functions of their shapes. */
function initial(context: LayerContext<LoraConfig>, r: number, inFeatures: number) {
  const { config, loading } = context;
  const { initLoraWeights: init } = config;
  const supported = ["gaussian", "loftq", ...(loading ? harmless : [])];
  if (typeof init !== "boolean" && !supported.includes(init)) {
    throw new Error(
      `initLoraWeights: ${JSON.stringify(init)} is not supported yet; use true, false, "gaussian" or "loftq"`,
    );
  }
  const { zero, uniform, normal } = draws(context);
  if (loading) return { a: zero, b: zero, embeddingA: zero, embeddingB: zero };
  const random = init === false;
  return {
    a: init === "gaussian" ? normal(1 / r) : uniform(1 / Math.sqrt(inFeatures)),
    b: random ? uniform(1 / Math.sqrt(r)) : zero,
    embeddingA: random ? normal(1) : zero,
    embeddingB: normal(1),
  };
}

/** What LoftQ makes of a layer's weight; PEFT makes it again when an adapter is loaded, unless its base is in NF4. */
function loftqStart({ base, kind, config, loading }: LayerContext<LoraConfig>, r: number): LoftQStart | undefined {
  const { weight } = base as Linear;
  if (config.initLoraWeights !== "loftq" || (loading && isPacked(weight.dtype))) return undefined;
  return loftq(weight, r, config.loftqConfig as LoftQConfig, kind === "conv1d");
}

/** LoRA on a linear layer, whichever way its weight lies: A [r, in], B [out, r], perhaps with a bias [out]. */
class LoraLinear implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly modules: Record<string, Module>;
  readonly baseWeight?: Tensor;
  readonly #dropout: Dropout;
  readonly #scaling: number;

  constructor(context: LayerContext<LoraConfig>) {
    const { base, config, path } = context;
    const { inFeatures, outFeatures } = base as Linear;
    const { r } = rankAndAlpha(config, path);
    const { a, b } = initial(context, r, inFeatures);
    const start = loftqStart(context, r);
    this.baseWeight = start?.weight;
    this.parameters = {
      "lora_A.weight": drawn(start ? () => start.a : a, [r, inFeatures]),
      "lora_B.weight": drawn(start ? () => start.b : b, [outFeatures, r]),
      ...(config.loraBias ? { "lora_B.bias": drawn(b, [outFeatures]) } : {}),
    };
    this.#dropout = layerDropout(context, config.loraDropout);
    this.modules = config.loraDropout > 0 ? { lora_dropout: this.#dropout } : {};
    this.#scaling = loraScaling(config, path);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const { "lora_A.weight": a, "lora_B.weight": b, "lora_B.bias": bias } = this.parameters;
    const scaling = this.#scaling;
    return scope(() => {
      const dropped = this.#dropout.forward(x);
      let y: Tensor;
      if (base instanceof Linear && dropped === x) {
        y = loraLinear(x, base.weight, a, b, { scaling });
        if (base.bias) y = add(y, wide(base.bias));
      } else {
        const low = affine(matmul(dropped, a, { transposeB: true }), { scale: scaling });
        y = add(base.forward(x), matmul(low, b, { transposeB: true }));
      }
      return bias ? add(y, affine(bias, { scale: scaling })) : y;
    });
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer): DenseLayer {
    const { "lora_A.weight": a, "lora_B.weight": b, "lora_B.bias": added } = this.parameters;
    const scaledBias = added && affine(added, { scale: this.#scaling });
    return {
      weight: add(weight, affine(fanInFanOut ? transposedProduct(a, b) : matmul(b, a), { scale: this.#scaling })),
      bias: scaledBias && bias ? add(bias, scaledBias) : (scaledBias ?? bias),
      fanInFanOut,
    };
  }
}

/** (B A)ᵀ */
function transposedProduct(a: Tensor, b: Tensor): Tensor {
  return matmul(a, b, { transposeA: true, transposeB: true });
}

/** LoRA on an embedding: A [r, vocabulary], B [dim, r]. */
class LoraEmbedding implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly #scaling: number;

  constructor(context: LayerContext<LoraConfig>) {
    const { base, config, path } = context;
    if (config.initLoraWeights === "loftq") {
      throw new Error(`initLoraWeights "loftq" is for linear layers; leave ${path} out of targetModules`);
    }
    const [vocabulary, dim] = (base as Linear).weight.shape;
    const { r } = rankAndAlpha(config, path);
    const { embeddingA, embeddingB } = initial(context, r, vocabulary);
    this.parameters = {
      lora_embedding_A: drawn(embeddingA, [r, vocabulary]),
      lora_embedding_B: drawn(embeddingB, [dim, r]),
    };
    this.#scaling = loraScaling(config, path);
  }

  forward(ids: Tensor, base: UnaryModule): Tensor {
    const { lora_embedding_A: a, lora_embedding_B: b } = this.parameters;
    return scope(() => {
      const columns = indexSelect(a, ids.reshape([-1]), { dim: 1 });
      const rows = affine(transposedProduct(columns, b), { scale: this.#scaling });
      const y = base.forward(ids);
      return add(y, rows.reshape(y.shape));
    });
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    const { lora_embedding_A: a, lora_embedding_B: b } = this.parameters;
    return { weight: add(weight, affine(transposedProduct(a, b), { scale: this.#scaling })), ...rest };
  }
}

/** LoRA: W + scaling B A beside a frozen W. Hu et al. 2021, https://arxiv.org/abs/2106.09685 */
export const lora: PeftMethod<LoraConfig> = definePeftMethod({
  peftType: "LORA",
  Config: LoraConfig,
  format: loraFormat,
  kinds: ["linear", "conv1d", "embedding"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => (bias === "lora_only" ? "layers" : bias),
  trainableTokens: ({ trainableTokenIndices }) => trainableTokenIndices,
  patterns: ({ rankPattern, alphaPattern }) => ({ rankPattern, alphaPattern }),
  createLayer: (context) => (context.kind === "embedding" ? new LoraEmbedding(context) : new LoraLinear(context)),
});
