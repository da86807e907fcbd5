import { add, affine, indexSelect, loraLinear, matmul, mul, scope, sub, type Tensor } from "@lowrank/core";
import {
  Conv1D,
  type Dropout,
  type Embedding,
  Linear,
  type Module,
  type Parameter,
  stopAtPadding,
  type UnaryModule,
} from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, wide } from "../layers/tunerLayer.ts";
import { attentionTargets } from "../targets/defaultTargets.ts";
import {
  alphaOption,
  biasOption,
  dropoutOption,
  initLoraWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "./commonOptions.ts";
import type { Magnitude } from "./dora.ts";
import { drawn, draws, layerDropout } from "./draws.ts";
import { LoraConfig, type LoraOptions, loraFormat } from "./loraConfig.ts";
import { evaStart, loraProducts, loraStartSubtraction, loraSwappable, loraWeightStart } from "./loraFacts.ts";
import { rankAndScaling } from "./loraScaling.ts";
import { embeddingStart, type LinearStart, linearStart } from "./loraStart.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "./method.ts";
import type { RecipeSettings } from "./recipe.ts";

/** Makes DoRA's lengths for the factors A and B on a base weight. */
type MakeMagnitude = (
  base: { weight: Tensor; fanInFanOut: boolean },
  factors: readonly [Parameter, Parameter],
) => Magnitude;

/** Loads DoRA where the configuration asks for it; null elsewhere. */
async function loadMagnitude(context: LayerContext<LoraConfig>): Promise<MakeMagnitude | null> {
  const { config, path, loading } = context;
  if (!config.useDora) return null;
  const { Magnitude } = await import("./dora.ts");
  const { scaling } = rankAndScaling(config, path);
  return (base, factors) => new Magnitude(base, factors, scaling, loading ? draws(context).zero : undefined);
}

/**
 * The names of DoRA's lengths: in the model, as PEFT has it, and in files, where
 * it leaves `.weight` out.
 */
const magnitudeKey = "lora_magnitude_vector";
const doraPaths = { [magnitudeKey]: `${magnitudeKey}.weight` };

/**
 * LoRA on a linear layer, whichever way its weight lies: A [r, in], B [out, r], perhaps with
 * a bias or lengths [out].
 */
class LoraLinear implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly paths = doraPaths;
  readonly modules: Record<string, Module>;
  readonly baseWeight?: Tensor;
  readonly #dropout: Dropout;
  #scaling: number;
  readonly #magnitude?: Magnitude;

  constructor(context: LayerContext<LoraConfig>, start: LinearStart, makeMagnitude: MakeMagnitude | null) {
    const { base, config, path, kind } = context;
    const { inFeatures, outFeatures, weight } = base as Linear;
    const { r, scaling } = rankAndScaling(config, path);
    this.baseWeight = start.weight;
    const a = drawn(start.a, [r, inFeatures]);
    const b = drawn(start.b, [outFeatures, r]);
    const stored = start.weight
      ? { weight: start.weight, fanInFanOut: false }
      : { weight, fanInFanOut: kind === "conv1d" };
    this.#magnitude = makeMagnitude?.(stored, [a, b]);
    this.parameters = {
      "lora_A.weight": a,
      "lora_B.weight": b,
      ...(config.loraBias ? { "lora_B.bias": drawn(start.bias, [outFeatures]) } : {}),
      ...(this.#magnitude ? { [magnitudeKey]: this.#magnitude.parameter } : {}),
    };
    this.#dropout = layerDropout(context, config.loraDropout);
    this.modules = config.loraDropout > 0 ? { lora_dropout: this.#dropout } : {};
    this.#scaling = scaling;
  }

  get constants(): readonly Tensor[] {
    return this.#magnitude?.constants ?? [];
  }

  get scaling(): number {
    return this.#scaling;
  }

  set scaling(value: number) {
    this.#scaling = value;
    if (this.#magnitude) this.#magnitude.scaling = value;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const dropped = this.#dropout.forward(x);
      if (this.#magnitude) return this.#rescaled(x, dropped, base as Linear | Conv1D, this.#magnitude);
      const { "lora_A.weight": a, "lora_B.weight": b, "lora_B.bias": bias } = this.parameters;
      let y: Tensor;
      if (base instanceof Linear && base.isExact && dropped === x) {
        y = loraLinear(x, base.weight, a, b, { scaling: this.#scaling });
        if (base.bias) y = add(y, wide(base.bias));
      } else y = add(base.forward(x), this.#added(dropped));
      return bias ? add(y, affine(bias, { scale: this.#scaling })) : y;
    });
  }

  /** Computes the part that is added to the base layer's output; absent with DoRA. */
  get added(): ((x: Tensor) => Tensor) | undefined {
    if (this.#magnitude) return undefined;
    const { "lora_B.bias": bias } = this.parameters;
    return (x) => {
      const low = this.#added(this.#dropout.forward(x));
      return bias ? add(low, affine(bias, { scale: this.#scaling })) : low;
    };
  }

  /** s (x Aᵀ) Bᵀ */
  #added(x: Tensor): Tensor {
    const { "lora_A.weight": a, "lora_B.weight": b } = this.parameters;
    const low = affine(matmul(x, a, { transposeB: true }), { scale: this.#scaling });
    return matmul(low, b, { transposeB: true });
  }

  /**
   * DoRA's output; as in PEFT, dropout acts on all that the scale changes: x W +
   * scale x' (W + s B A) - x' W.
   */
  #rescaled(x: Tensor, dropped: Tensor, base: Linear | Conv1D, lengths: Magnitude): Tensor {
    const { "lora_A.weight": a, "lora_B.weight": b } = this.parameters;
    const { weight, bias } = base;
    const fanInFanOut = base instanceof Conv1D;
    const scale = lengths.scale({ weight, fanInFanOut }, a, b);
    const exact = base instanceof Conv1D || base.isExact;
    const product = (input: Tensor) => {
      if (exact) return matmul(input, weight, { transposeB: !fanInFanOut });
      const y = base.forward(input);
      return bias ? sub(y, wide(bias)) : y;
    };
    let y: Tensor;
    if (dropped !== x) {
      const plain = product(dropped);
      y = add(product(x), sub(mul(add(plain, this.#added(dropped)), scale), plain));
    } else {
      const sum =
        exact && !fanInFanOut
          ? loraLinear(x, weight, a, b, { scaling: this.#scaling })
          : add(product(x), this.#added(x));
      y = mul(sum, scale);
    }
    return bias ? add(y, wide(bias)) : y;
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer, bare: DenseLayer): DenseLayer {
    const { "lora_A.weight": a, "lora_B.weight": b, "lora_B.bias": added } = this.parameters;
    const scaledBias = added && affine(added, { scale: this.#scaling });
    const delta = affine(fanInFanOut ? transposedProduct(a, b) : matmul(b, a), { scale: this.#scaling });
    const sum = add(weight, delta);
    const scale = this.#magnitude?.scaleOnce(bare, a, b);
    return {
      weight: scale ? mul(sum, fanInFanOut ? scale : scale.reshape([-1, 1])) : sum,
      bias: scaledBias && bias ? add(bias, scaledBias) : (scaledBias ?? bias),
      fanInFanOut,
    };
  }
}

/** (B A)ᵀ */
function transposedProduct(a: Tensor, b: Tensor): Tensor {
  return matmul(a, b, { transposeA: true, transposeB: true });
}

/** LoRA on an embedding: A [r, vocabulary], B [dim, r], perhaps lengths [dim]. */
class LoraEmbedding implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly paths = doraPaths;
  #scaling: number;
  readonly #magnitude?: Magnitude;
  readonly #paddingIdx: number | null;

  constructor(context: LayerContext<LoraConfig>, makeMagnitude: MakeMagnitude | null) {
    const { base, config, path } = context;
    const { weight, paddingIdx } = base as Embedding;
    const [vocabulary, dim] = weight.shape;
    if (config.loraBias) {
      throw new Error(`LoRA puts no bias on embeddings; leave ${path} out of targetModules, or loraBias`);
    }
    const { r, scaling } = rankAndScaling(config, path);
    const start = embeddingStart(context);
    const a = drawn(start.a, [r, vocabulary]);
    const b = drawn(start.b, [dim, r]);
    this.#magnitude = makeMagnitude?.({ weight, fanInFanOut: true }, [a, b]);
    this.parameters = {
      lora_embedding_A: a,
      lora_embedding_B: b,
      ...(this.#magnitude ? { [magnitudeKey]: this.#magnitude.parameter } : {}),
    };
    this.#scaling = scaling;
    this.#paddingIdx = paddingIdx;
  }

  get constants(): readonly Tensor[] {
    return this.#magnitude?.constants ?? [];
  }

  get scaling(): number {
    return this.#scaling;
  }

  set scaling(value: number) {
    this.#scaling = value;
    if (this.#magnitude) this.#magnitude.scaling = value;
  }

  /** Computes the part that is added to the base layer's output; absent with DoRA. */
  get added(): ((ids: Tensor) => Tensor) | undefined {
    return this.#magnitude ? undefined : (ids) => this.#rows(ids);
  }

  #rows(ids: Tensor): Tensor {
    const { lora_embedding_A: a, lora_embedding_B: b } = this.parameters;
    const flat = ids.reshape([-1]);
    const columns = stopAtPadding(indexSelect(a, flat, { dim: 1 }), flat, this.#paddingIdx);
    const rows = affine(transposedProduct(columns, b), { scale: this.#scaling });
    return rows.reshape([...ids.shape, b.shape[0]]);
  }

  forward(ids: Tensor, base: UnaryModule): Tensor {
    const { lora_embedding_A: a, lora_embedding_B: b } = this.parameters;
    return scope(() => {
      const sum = add(base.forward(ids), this.#rows(ids));
      const { weight } = base as Linear;
      return this.#magnitude ? mul(sum, this.#magnitude.scale({ weight, fanInFanOut: true }, a, b)) : sum;
    });
  }

  merge({ weight, ...rest }: DenseLayer, bare: DenseLayer): DenseLayer {
    const { lora_embedding_A: a, lora_embedding_B: b } = this.parameters;
    const sum = add(weight, affine(transposedProduct(a, b), { scale: this.#scaling }));
    const scale = this.#magnitude?.scaleOnce({ weight: bare.weight, fanInFanOut: true }, a, b);
    return { weight: scale ? mul(sum, scale) : sum, ...rest };
  }
}

const rates = { learningRate: 3e-3, usualLearningRate: 2e-4 };

function sizes({ r, targetModules }: RecipeSettings): Pick<LoraOptions, "r" | "loraAlpha" | "targetModules"> {
  return { r, loraAlpha: 2 * r, targetModules };
}

/** LoRA: W + scaling B A beside a frozen W. Hu et al. 2021, https://arxiv.org/abs/2106.09685 */
export const lora: PeftMethod<LoraConfig> = definePeftMethod({
  peftType: "LORA",
  Config: LoraConfig,
  format: loraFormat,
  recipes: [
    { ...rates, name: "lora", title: "LoRA", common: true, config: (settings) => new LoraConfig(sizes(settings)) },
    {
      ...rates,
      name: "qlora",
      title: "QLoRA (NF4)",
      quantized: true,
      common: true,
      config: (settings) => new LoraConfig(sizes(settings)),
    },
    {
      ...rates,
      name: "dora",
      title: "DoRA",
      common: true,
      config: (settings) => new LoraConfig({ ...sizes(settings), useDora: true }),
    },
    {
      ...rates,
      name: "rslora",
      title: "rsLoRA",
      config: (settings) => new LoraConfig({ ...sizes(settings), useRslora: true }),
    },
  ],
  options: [
    rankOption(),
    { ...alphaOption("loraAlpha"), default: 16 },
    dropoutOption("loraDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    { field: "useRslora", flag: "use-rslora", type: "boolean", help: "scale by alpha / sqrt(r)" },
    {
      field: "useDora",
      flag: "use-dora",
      type: "boolean",
      help: "train the lengths of the weights' rows apart from their directions: DoRA",
    },
    initLoraWeightsOption("true, false, gaussian, orthogonal, pissa, pissa_niter_16, olora or eva"),
    { field: "loraBias", flag: "lora-bias", type: "boolean", help: "give B a bias" },
  ],
  kinds: ["linear", "conv1d", "embedding"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => (bias === "lora_only" ? "layers" : bias),
  trainableTokens: ({ trainableTokenIndices }) => trainableTokenIndices,
  patterns: ({ rankPattern, alphaPattern }) => ({ rankPattern, alphaPattern }),
  setsFanInFanOut: true,
  swappable: loraSwappable,
  startsFromWeights: loraWeightStart,
  subtractsStart: loraStartSubtraction,
  startsFromData: evaStart,
  loraPlus: true,
  combines: loraProducts,
  createLayer: async (context) => {
    const makeMagnitude = await loadMagnitude(context);
    if (context.kind === "embedding") return new LoraEmbedding(context, makeMagnitude);
    return new LoraLinear(context, await linearStart(context), makeMagnitude);
  },
});
