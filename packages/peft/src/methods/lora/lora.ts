import { add, affine, matmul, mul, scope, type Tensor } from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { type Conv1D, type Dropout, Linear, type Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, type LowRank, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import type { Factors, Magnitude, MakeMagnitude } from "./dora.ts";
import { LoraConfig, loraFormat } from "./loraConfig.ts";
import { evaStart, loraProducts, loraWeightStart } from "./loraFacts.ts";
import { rankAndScaling, variantOf } from "./loraScaling.ts";
import { type LinearStart, linearStart } from "./loraStart.ts";

const parts = () => import("./loraParts.ts");

/**
 * Imports DoRA's code and returns the function that creates magnitudes. Returns null if the configuration does not use
 * DoRA.
 */
async function loadMagnitude(context: LayerContext<LoraConfig>): Promise<MakeMagnitude | null> {
  if (!context.config.useDora) return null;
  const { Magnitude } = await (await parts()).loadDora();
  const start = context.loading ? draws(context).zero : undefined;
  return (base, factors, shape) => new Magnitude(base, factors, start, shape);
}

/**
 * LoRA on a linear layer with weight [out, in] or [in, out]: A [r, in], B [out, r], optionally a bias [out] and DoRA's
 * magnitudes [out].
 */
class LoraLinear implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly modules: Record<string, Module>;
  readonly baseWeight?: Tensor;
  readonly frozen?: readonly string[];
  readonly paths?: Readonly<Record<string, string>>;
  scaling: number;
  readonly #dropout: Dropout;
  readonly #magnitude?: Magnitude;

  constructor(context: LayerContext<LoraConfig>, start: LinearStart, makeMagnitude: MakeMagnitude | null) {
    const { base, config, path, kind, dtypeOf } = context;
    const { inFeatures, outFeatures, weight } = base as Linear;
    const { r, scaling } = rankAndScaling(config, path);
    this.baseWeight = start.weight;
    const a = drawn(start.a, [r, inFeatures], dtypeOf("lora_A.weight"));
    const b = drawn(start.b, [outFeatures, r], dtypeOf("lora_B.weight"));
    const stored = start.weight
      ? { weight: start.weight, fanInFanOut: false }
      : { weight, fanInFanOut: kind === "conv1d" };
    this.#magnitude = makeMagnitude?.(stored, { a, b, scaling });
    this.paths = this.#magnitude?.paths;
    this.parameters = {
      "lora_A.weight": a,
      "lora_B.weight": b,
      ...(config.loraBias ? { "lora_B.bias": drawn(start.bias, [outFeatures], dtypeOf("lora_B.bias")) } : {}),
      ...this.#magnitude?.parameters,
    };
    if (config.initLoraWeights === "mica") this.frozen = ["lora_B.weight"];
    this.#dropout = layerDropout(context, config.loraDropout);
    this.modules = config.loraDropout > 0 ? { lora_dropout: this.#dropout } : {};
    this.scaling = scaling;
  }

  get constants(): readonly Tensor[] {
    return this.#magnitude?.constants ?? [];
  }

  get #factors(): Factors {
    const { "lora_A.weight": a, "lora_B.weight": b } = this.parameters;
    return { a, b, scaling: this.scaling };
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const dropped = this.#dropout.forward(x);
      const factors = this.#factors;
      if (this.#magnitude) {
        const dense = base as Linear | Conv1D;
        return this.#magnitude.forward({ x, dropped, base: dense, factors, added: (y) => this.#added(y) });
      }
      const { a, b, scaling } = factors;
      const { "lora_B.bias": bias } = this.parameters;
      let y: Tensor;
      if (base instanceof Linear && base.isExact && dropped === x && a.dtype === "f32" && b.dtype === "f32") {
        y = loraLinear(x, base.weight, a, b, { scaling });
        if (base.bias) y = add(y, toF32(base.bias));
      } else y = add(base.forward(x), this.#added(dropped));
      return bias ? add(y, affine(toF32(bias), { scale: scaling })) : y;
    });
  }

  /**
   * Function that computes the update added to the base layer's output. Undefined with DoRA, which also rescales that
   * output.
   */
  get added(): ((x: Tensor) => Tensor) | undefined {
    if (this.#magnitude) return undefined;
    const { "lora_B.bias": bias } = this.parameters;
    return (x) => {
      const low = this.#added(this.#dropout.forward(x));
      return bias ? add(low, affine(toF32(bias), { scale: this.scaling })) : low;
    };
  }

  /**
   * A, B, scaling and bias of the update. Undefined with DoRA or while dropout is active, since the update is then not
   * only a product.
   */
  get lowRank(): LowRank | undefined {
    if (this.#magnitude || (this.#dropout.training && this.#dropout.p > 0)) return undefined;
    const { "lora_A.weight": a, "lora_B.weight": b, "lora_B.bias": bias } = this.parameters;
    return { a, b, scaling: this.scaling, bias };
  }

  /** Returns LoRA's update scaling · (x Aᵀ) Bᵀ. */
  #added(x: Tensor): Tensor {
    const { a, b, scaling } = this.#factors;
    const low = affine(matmul(x, a, { transposeB: true }), { scale: scaling });
    return matmul(low, b, { transposeB: true });
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer, bare: DenseLayer): DenseLayer {
    const { a: storedA, b: storedB, scaling: scale } = this.#factors;
    const [a, b] = [toF32(storedA), toF32(storedB)];
    const { "lora_B.bias": added } = this.parameters;
    const scaledBias = added && affine(toF32(added), { scale });
    const product = fanInFanOut ? matmul(a, b, { transposeA: true, transposeB: true }) : matmul(b, a);
    const sum = add(weight, affine(product, { scale }));
    const lengths = this.#magnitude?.scaleOnce(bare, this.#factors);
    return {
      weight: lengths ? mul(sum, fanInFanOut ? lengths : lengths.reshape([-1, 1])) : sum,
      bias: scaledBias && bias ? add(bias, scaledBias) : (scaledBias ?? bias),
      fanInFanOut,
    };
  }
}

/** LoRA: W + scaling B A with a frozen W. Hu et al. 2021, https://arxiv.org/abs/2106.09685 */
export const lora: PeftMethod<LoraConfig> = definePeftMethod({
  peftType: "LORA",
  Config: LoraConfig,
  format: loraFormat,
  offer: "lora",
  kinds: ["linear", "conv1d", "embedding", "convolution1d", "convolution2d", "multiheadAttention"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => (bias === "lora_only" ? "layers" : bias),
  trainableTokens: ({ trainableTokenIndices }) => trainableTokenIndices,
  replicates: ({ layerReplication }) => layerReplication,
  tiesLayers: ({ ensureWeightTying }) => ensureWeightTying,
  patterns: ({ rankPattern, alphaPattern }) => ({ rankPattern, alphaPattern }),
  parameters: async (config) =>
    config.targetParameters?.length ? new (await (await parts()).loadParameterLora()).ParameterLora(config) : null,
  setsFanInFanOut: true,
  keepsHalfPrecision: ({ useDora }) => !useDora,
  swappable: async () => (await (await parts()).loadChanges()).loraSwappable,
  startsFromWeights: loraWeightStart,
  subtractsStart: async () => (await (await parts()).loadChanges()).loraStartSubtraction,
  startsFromData: evaStart,
  loraPlus: true,
  combines: loraProducts,
  readsAdapters: ({ arrowConfig }) => arrowConfig !== null,
  createShared: async ({ config }) => {
    if (variantOf(config) !== "aloraInvocationTokens") return {};
    return { hook: new (await (await parts()).loadAlora()).AloraInvocation(config) };
  },
  createLayer: async (context) => {
    const variant = variantOf(context.config);
    if (variant) return (await (await parts()).loadVariant()).loraVariant(context, variant);
    if (context.kind === "multiheadAttention") {
      const { loraAttention } = await (await parts()).loadAttention();
      return loraAttention(context, (linear, start) => new LoraLinear(linear, start, null));
    }
    const makeMagnitude = await loadMagnitude(context);
    if (context.kind.startsWith("convolution")) {
      return (await (await parts()).loadConvolution()).loraConvolution(context, makeMagnitude);
    }
    if (context.kind === "embedding" || context.tiedTo) {
      return (await (await parts()).loadEmbedding()).embeddingLora(context, makeMagnitude);
    }
    const start = await linearStart(context);
    if (context.config.useBdlora) {
      const { BdLoraLinear, blockFactor } = await (await parts()).loadBdLora();
      const factor = blockFactor(context);
      if (factor) return new BdLoraLinear(context, start, factor);
    }
    return new LoraLinear(context, start, makeMagnitude);
  },
});
