import {
  add,
  affine,
  full,
  indexSelect,
  matmul,
  mul,
  noGrad,
  scope,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { type Dropout, Linear, type Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { refuse } from "../../config/checks.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { adaLoraTargets } from "../../targets/adaLoraTargets.ts";
import {
  alphaOption,
  biasOption,
  dropoutOption,
  initLoraWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { addProduct } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { AdaLoraConfig, adaLoraFormat } from "./adaLoraConfig.ts";
import { RankAllocator } from "./rankAllocator.ts";

/** Small constant that is added to the rank before another value is divided by the rank, as in PEFT. */
const small = 1e-5;

/** AdaLoRA on a linear layer: A [r, in], singular values E [r, 1], B [out, r]. */
class AdaLoraLayer implements LayerAdapter {
  readonly parameters: Readonly<Record<"lora_A" | "lora_B" | "lora_E", Parameter>>;
  readonly modules: Readonly<Record<string, Module | Parameter>>;
  readonly constants: readonly Tensor[];
  readonly #dropout: Dropout;
  readonly #scaling: number;

  constructor(context: LayerContext<AdaLoraConfig>) {
    const { base, config, path, loading } = context;
    const { inFeatures, outFeatures, weight } = base as Linear;
    const { initR, loraAlpha } = config;
    const r = rankOf(config, path);
    const { zero, normal } = draws(context);
    const vectors = loading ? zero : normal(config.initLoraWeights ? 0.02 : 1);
    this.parameters = {
      lora_A: drawn(vectors, [r, inFeatures]),
      lora_B: drawn(vectors, [outFeatures, r]),
      lora_E: drawn(loading || config.initLoraWeights ? zero : normal(1), [r, 1]),
    };
    // The rank by which the scaling is divided. It stays the same when ranks are cut. It is a parameter, as in PEFT, so
    // that parameter counts agree.
    using rank = full([1], initR, { backend: weight.storage.backend });
    const ranknum = new Parameter(rank, { requiresGrad: false });
    this.constants = [ranknum];
    this.#dropout = layerDropout(context, config.loraDropout);
    this.modules = { ranknum, ...(config.loraDropout > 0 ? { lora_dropout: this.#dropout } : {}) };
    this.#scaling = (loraAlpha > 0 ? loraAlpha : initR) / (initR + small);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const { lora_A, lora_E, lora_B: b } = this.parameters;
    if (lora_E.size === 0) return base.forward(x);
    return scope(() => {
      const dropped = this.#dropout.forward(x);
      if (!(base instanceof Linear) || !base.isExact || dropped !== x) {
        return add(base.forward(x), this.#product(dropped));
      }
      const y = loraLinear(x, base.weight, mul(lora_A, lora_E), b, { scaling: this.#scaling });
      return base.bias ? add(y, toF32(base.bias)) : y;
    });
  }

  /** Function that computes the update added to the base layer's output. Undefined at rank 0. */
  get added(): ((x: Tensor) => Tensor) | undefined {
    return this.parameters.lora_E.size === 0 ? undefined : (x) => this.#product(this.#dropout.forward(x));
  }

  /** Returns the update scaling · (x Aᵀ) diag(E) Bᵀ. */
  #product(x: Tensor): Tensor {
    const { lora_A, lora_E, lora_B } = this.parameters;
    const low = affine(matmul(x, mul(lora_A, lora_E), { transposeB: true }), { scale: this.#scaling });
    return matmul(low, lora_B, { transposeB: true });
  }

  merge(base: DenseLayer): DenseLayer {
    const { lora_A, lora_E, lora_B } = this.parameters;
    if (lora_E.size === 0) return base;
    return addProduct(base, affine(mul(lora_A, lora_E), { scale: this.#scaling }), lora_B);
  }
}

/**
 * Returns the rank of the layer at `path`: the number of initial ranks that `rankPattern` keeps, or `initR` if
 * `rankPattern` has no entry for the layer.
 */
function rankOf({ rankPattern, initR }: AdaLoraConfig, path: string): number {
  return rankPattern?.[`${path}.lora_E`]?.filter((stays) => stays).length ?? initR;
}

/**
 * Returns how far A Aᵀ and Bᵀ B are from the identity: the Frobenius norms of the differences, averaged over all
 * layers.
 */
function orthogonality(layers: readonly LayerAdapter[]): Tensor {
  const distances = layers.flatMap(({ parameters: { lora_A, lora_B } }) => [
    distance(matmul(lora_A, lora_A, { transposeB: true })),
    distance(matmul(lora_B, lora_B, { transposeA: true })),
  ]);
  const total = distances.reduce((all, one) => add(all, one));
  return affine(total, { scale: 1 / distances.length });
}

function distance(gram: Tensor): Tensor {
  const [r] = gram.shape;
  const identity = Float32Array.from({ length: r * r }, (_, i) => (i % (r + 1) === 0 ? 1 : 0));
  const { backend } = gram.storage;
  return sqrt(sum(square(sub(gram, tensor(identity, { shape: [r, r], backend })))));
}

/**
 * Returns the trained tensors to save, without the rows and columns of the ranks that `rankPattern` removes. A tensor
 * from which nothing is removed is returned as a new tensor that shares its memory.
 */
function withoutCutRanks({ rankPattern }: AdaLoraConfig, trained: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const filed = new Map<string, Tensor>();
  for (const [key, value] of trained) {
    const [, path, name] = /^base_model\.model\.(.*)\.(lora_[ABE])$/.exec(key) ?? [];
    const stays = rankPattern?.[`${path}.lora_E`];
    const dim = name === "lora_B" ? 1 : 0;
    if (!stays || stays.length !== value.shape[dim]) {
      filed.set(key, value.detach());
      continue;
    }
    const ranks = Int32Array.from(stays.flatMap((stay, i) => (stay ? [i] : [])));
    filed.set(
      key,
      noGrad(() => scope(() => indexSelect(value, tensor(ranks, { backend: value.storage.backend }), { dim }))),
    );
  }
  return filed;
}

/**
 * AdaLoRA: W + scaling B diag(E) A, where B and A are kept nearly orthogonal. Training removes unimportant ranks, so
 * that important layers keep a larger share of the total rank. Zhang et al. 2023, https://arxiv.org/abs/2303.10512
 */
export const adaLora: PeftMethod<AdaLoraConfig> = definePeftMethod({
  peftType: "ADALORA",
  sizes: ["initR"],
  Config: AdaLoraConfig,
  format: adaLoraFormat,
  recipes: [
    {
      name: "adalora",
      title: "AdaLoRA",
      learningRate: 1e-2,
      config: ({ r, steps, targetModules }) =>
        new AdaLoraConfig({
          initR: Math.ceil(1.5 * r),
          targetR: r,
          loraAlpha: 2 * r,
          totalStep: steps,
          tinit: Math.floor(steps / 10),
          tfinal: Math.floor(steps / 2),
          deltaT: Math.max(1, Math.floor(steps / 100)),
          targetModules,
        }),
    },
  ],
  options: [
    rankOption("targetR"),
    alphaOption("loraAlpha"),
    dropoutOption("loraDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    initLoraWeightsOption("true or false"),
    { field: "initR", flag: "init-r", type: "integer", least: 1, help: "rank of every layer at the start" },
    { field: "tinit", flag: "tinit", type: "integer", least: 0, help: "steps before ranks are cut" },
    { field: "tfinal", flag: "tfinal", type: "integer", least: 0, help: "steps at the end during which ranks stay" },
    { field: "deltaT", flag: "delta-t", type: "integer", least: 1, help: "steps between two cuts" },
    {
      field: "orthRegWeight",
      flag: "orth-reg-weight",
      type: "number",
      least: 0,
      help: "weight of the penalty on A and B that are not orthogonal",
    },
  ],
  withSteps: (config, totalStep) => (config.totalStep === null ? config.with({ totalStep }) : config),
  kinds: ["linear", "conv1d"],
  defaultTargets: adaLoraTargets,
  bias: ({ bias }) => (bias === "lora_only" ? "layers" : bias),
  trainableTokens: ({ trainableTokenIndices }) => trainableTokenIndices,
  replicates: ({ layerReplication }) => layerReplication,
  tiesLayers: ({ ensureWeightTying }) => ensureWeightTying,
  penalty: ({ orthRegWeight }, layers) => affine(orthogonality(layers), { scale: orthRegWeight }),
  createAllocator: (layers) => new RankAllocator(layers),
  filed: withoutCutRanks,
  // If the base model is not in f32, PEFT converts each layer's rank parameter. The conversion makes it require
  // gradients, so it counts as trainable.
  countedConstants: (dtype) => (dtype === "f32" ? 0 : 1),
  setsFanInFanOut: true,
  swappable: { fields: ["initLoraWeights"] },
  createLayer: (context) => {
    const { config, loading } = context;
    if (!loading && config.totalStep === null) refuse(config, "totalStep", null, "the total number of training steps");
    return new AdaLoraLayer(context);
  },
});
