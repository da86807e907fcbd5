import { add, affine, exp, Generator, matmul, mul, randn, scope, slice, type Tensor } from "@lowrank/core";
import { type Dropout, type Linear, Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { names, queryAndValue } from "../../targets/pattern.ts";
import {
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout, layerGenerator } from "../shared/draws.ts";
import { addProduct } from "../shared/mergedWeight.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { PveraConfig, pveraFormat } from "./pveraConfig.ts";
import { type LinearSizes, layerProjections, randomProjections } from "./randomProjections.ts";

/** The modules that PVeRA adapts by default, by `model_type`. */
const pveraTargets: Readonly<Record<string, readonly string[]>> = {
  ...attentionTargets,
  phi: queryAndValue,
  dinov2: names("query value"),
};

interface Projections extends SharedTensors {
  /** The random projections A [2 r, largest in] and B [largest out, r]. */
  buffers: { pvera_A: Tensor; pvera_B: Tensor };
}

function projections(context: SharedContext<PveraConfig>): Projections {
  const { r, saveProjection } = context.config;
  const { a, b } = randomProjections(context, 2 * r);
  return { buffers: { pvera_A: a, pvera_B: b }, savesBuffers: saveProjection };
}

/** Draws from normal distributions during training, or always. Otherwise returns the means. */
class Sampling extends Module {
  readonly #always: boolean;
  readonly generator: Generator;

  constructor(context: LayerContext<PveraConfig>) {
    super();
    const { sampleAtInference, generatorSeed } = context.config;
    this.#always = sampleAtInference;
    this.generator = generatorSeed === null ? layerGenerator(context) : new Generator(generatorSeed);
  }

  /** `statistics` [..., 2 r] has r means, and the logarithms of r variances. Returns values [..., r]. */
  forward(statistics: Tensor): Tensor {
    const r = statistics.shape.at(-1)! / 2;
    const means = slice(statistics, { dim: -1, start: 0, end: r });
    if (!this.training && !this.#always) return means;
    const deviations = exp(affine(slice(statistics, { dim: -1, start: r }), { scale: 0.5 }));
    const noise = randn(means.shape, { generator: this.generator, backend: statistics.storage.backend });
    return add(means, mul(noise, deviations));
  }
}

/**
 * PVeRA on a linear layer. Adds λb ⊙ B z to the output, where λd ⊙ A x has the means of z and the logarithms of its
 * variances. λd [2 r] and λb [out] are trained.
 */
class PveraLinear implements LayerAdapter {
  readonly parameters: { readonly pvera_lambda_b: Parameter; readonly pvera_lambda_d: Parameter };
  readonly modules: Record<string, Module>;
  readonly #dropout: Dropout;
  readonly #sampling: Sampling;
  readonly #shared: Projections;
  readonly #sizes: LinearSizes;

  constructor(context: LayerContext<PveraConfig>) {
    const { config, shared } = context;
    const { inFeatures, outFeatures } = context.base as Linear;
    const { zero, one, normal, constant } = draws(context);
    this.parameters = {
      pvera_lambda_b: drawn(config.initWeights ? zero : one, [outFeatures]),
      pvera_lambda_d: drawn(config.initWeights ? constant(config.dInitial) : normal(1), [2 * config.r]),
    };
    this.#dropout = layerDropout(context, config.pveraDropout);
    this.#sampling = new Sampling(context);
    this.modules = {
      ...(config.pveraDropout > 0 ? { pvera_dropout: this.#dropout } : {}),
      pvera_sampling: this.#sampling,
    };
    this.#shared = shared as Projections;
    this.#sizes = { inFeatures, outFeatures };
  }

  /** Returns the parts of the shared projections that this layer uses: A [2 r, in] and B [out, r]. */
  #corners(): [a: Tensor, b: Tensor] {
    const { pvera_A: a, pvera_B: b } = this.#shared.buffers;
    return layerProjections({ a, b }, this.#sizes);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const { pvera_lambda_b: outer, pvera_lambda_d: inner } = this.parameters;
    const [a, b] = this.#corners();
    const statistics = mul(matmul(this.#dropout.forward(x), a, { transposeB: true }), inner);
    return mul(matmul(this.#sampling.forward(statistics), b, { transposeB: true }), outer);
  }

  /** Adds what the means contribute, as PEFT does. */
  merge(base: DenseLayer): DenseLayer {
    const { pvera_lambda_b: outer, pvera_lambda_d: inner } = this.parameters;
    const [a, b] = this.#corners();
    const means = slice(mul(a, inner.reshape([-1, 1])), { dim: 0, start: 0, end: b.shape[1] });
    return addProduct(base, means, mul(b, outer.reshape([-1, 1])));
  }
}

/** PVeRA: VeRA that draws its inner values from learned normal distributions. 2025, https://arxiv.org/abs/2512.07703 */
export const pvera: PeftMethod<PveraConfig> = definePeftMethod({
  peftType: "PVERA",
  Config: PveraConfig,
  format: pveraFormat,
  recipes: [
    {
      name: "pvera",
      title: "PVeRA",
      learningRate: 3e-2,
      config: ({ targetModules }) => new PveraConfig({ targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("pveraDropout"),
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
    {
      field: "sampleAtInference",
      flag: "sample-at-inference",
      type: "boolean",
      help: "draw values outside of training too",
    },
    {
      field: "generatorSeed",
      flag: "generator-seed",
      type: "integer",
      least: 0,
      help: "seed of the values that are drawn",
    },
    initWeightsOption(),
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: pveraTargets,
  bias: ({ bias }) => biasMode(bias),
  createShared: projections,
  setsFanInFanOut: true,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new PveraLinear(context),
});
