import { add, embedding, matmul, scope, type Tensor, tensor, truncatedSvd, zeros } from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { type Dropout, Linear, type Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
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
import { roundHalfToEven } from "../shared/roundHalfToEven.ts";
import { asColumns, weightValues } from "../singular/weightSvd.ts";
import { TinyLoraConfig, tinyloraFormat } from "./tinyloraConfig.ts";

type VectorName = `tinylora_v.${number}`;

interface Vectors extends SharedTensors {
  /** The trained vector [u] of each group of layers. */
  readonly parameters: Readonly<Record<VectorName, Parameter>>;
  /** The index of each adapted layer, in the order of the model, by path. */
  readonly indices: ReadonlyMap<string, number>;
  /** The name of the vector that each layer uses, by path. */
  readonly names: ReadonlyMap<string, VectorName>;
}

/** Returns the group of the layer at `index` of `count` layers. Layers of a group share their vector. */
function groupOf(index: number, count: number, weightTying: number): number {
  const groups = Math.max(1, roundHalfToEven(count * (1 - weightTying)));
  const size = Math.max(1, Math.floor(count / groups));
  return Math.min(Math.floor(index / size), groups - 1);
}

function vectors(context: SharedContext<TinyLoraConfig>): Vectors {
  const { u, weightTying, initWeights, initVBound } = context.config;
  const paths = context.layers.map(({ path }) => path);
  const { zero, uniform } = draws(context);
  const start = initWeights === "uniform" && !context.loading ? uniform(initVBound) : zero;
  const names = new Map<string, VectorName>(
    paths.map((path, i) => [path, `tinylora_v.${groupOf(i, paths.length, weightTying)}`]),
  );
  const parameters: Record<VectorName, Parameter> = {};
  for (const name of new Set(names.values())) parameters[name] = drawn(start, [u]);
  return { parameters, names, indices: new Map(paths.map((path, i) => [path, i])) };
}

/** The constants of a layer. */
interface Constants {
  /** √S V of the weight's largest singular values, [r, in]. */
  readonly tinylora_A: Tensor;
  /** U √S, [out, r]. */
  readonly tinylora_B: Tensor;
  /** The random projections, [u, r, r]. */
  readonly tinylora_P: Tensor;
}

/**
 * Returns a layer's constants. Constants that a file contains are zeros. The weight of an embedding is [rows,
 * size], and is decomposed as the weight [out, in] of a linear layer.
 */
async function constants(context: LayerContext<TinyLoraConfig>): Promise<Constants> {
  const { base, kind, path, config, backend, loading, shared } = context;
  const { u, saveProjection, projectionSeed } = config;
  const { inFeatures, outFeatures, weight } = base as Linear;
  const [rows, columns] = kind === "embedding" ? weight.shape : [outFeatures, inFeatures];
  const r = Math.min(config.r, rows, columns);
  const made = (values: Float32Array, shape: readonly number[]) => tensor(values, { shape, backend });
  const drawsProjection = !backend.dataless && !(loading && saveProjection);
  const seed = projectionSeed + (shared as Vectors).indices.get(path)!;
  const projection = drawsProjection
    ? made(new TorchGenerator(seed).normal(u * r * r, 1 / Math.sqrt(r)), [u, r, r])
    : zeros([u, r, r], { backend });
  if (backend.dataless || loading) {
    const [a, b] = [zeros([r, columns], { backend }), zeros([rows, r], { backend })];
    return { tinylora_A: a, tinylora_B: b, tinylora_P: projection };
  }
  const { values, left, right } = truncatedSvd(await weightValues(context), rows, columns, r);
  const scaled = (vectors: Float64Array, size: number) =>
    vectors.map((x, i) => x * Math.sqrt(values[Math.floor(i / size)]));
  return {
    tinylora_A: made(Float32Array.from(scaled(right, columns)), [r, columns]),
    tinylora_B: made(asColumns(scaled(left, rows), rows), [rows, r]),
    tinylora_P: projection,
  };
}

/**
 * TinyLoRA on a layer. The update of the weight is B R A. A and B are singular vectors of the weight. R is the sum of
 * the random projections, each multiplied by an element of the trained vector v [u].
 */
abstract class TinyLoraLayer implements LayerAdapter {
  readonly parameters: Record<string, never> = {};
  readonly buffers: Readonly<Record<string, Tensor>>;
  readonly constants: readonly Tensor[];
  readonly modules: Readonly<Record<string, Module | Parameter>>;
  protected readonly factors: Pick<Constants, "tinylora_A" | "tinylora_B">;
  protected readonly dropout: Dropout;
  readonly #projection: Tensor;
  readonly #vector: Parameter;

  constructor(context: LayerContext<TinyLoraConfig>, { tinylora_P: projection, ...factors }: Constants) {
    const { config, path } = context;
    const { parameters, names, indices } = context.shared as Vectors;
    const name = names.get(path)!;
    this.factors = factors;
    this.#projection = projection;
    this.#vector = parameters[name];
    this.buffers = config.saveProjection ? { ...factors, tinylora_P: projection } : { ...factors };
    this.constants = config.saveProjection ? [] : [projection];
    this.dropout = layerDropout(context, config.tinyloraDropout);
    // In PEFT, the names of all vectors are in the first layer.
    this.modules = {
      ...(indices.get(path) === 0 ? parameters : { [name]: this.#vector }),
      ...(config.tinyloraDropout > 0 ? { tinylora_dropout: this.dropout } : {}),
    };
  }

  /** Returns R, [r, r]. */
  protected weights(): Tensor {
    const [u, r] = this.#projection.shape;
    return matmul(this.#vector.reshape([1, u]), this.#projection.reshape([u, r * r])).reshape([r, r]);
  }

  abstract added(x: Tensor): Tensor;

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  merge(base: DenseLayer): DenseLayer {
    const { tinylora_A: a, tinylora_B: b } = this.factors;
    return addProduct(base, a, matmul(b, this.weights()));
  }
}

class TinyLoraLinear extends TinyLoraLayer {
  override forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const dropped = this.dropout.forward(x);
      if (base instanceof Linear && base.isExact && dropped === x) {
        const { tinylora_A: a, tinylora_B: b } = this.factors;
        const y = loraLinear(x, base.weight, a, matmul(b, this.weights()), { scaling: 1 });
        return base.bias ? add(y, toF32(base.bias)) : y;
      }
      return add(base.forward(x), this.#product(dropped));
    });
  }

  added(x: Tensor): Tensor {
    return this.#product(this.dropout.forward(x));
  }

  #product(x: Tensor): Tensor {
    const { tinylora_A: a, tinylora_B: b } = this.factors;
    const low = matmul(matmul(x, a, { transposeB: true }), this.weights(), { transposeB: true });
    return matmul(low, b, { transposeB: true });
  }
}

/** TinyLoRA on an embedding. The rows of B belong to the tokens. */
class TinyLoraEmbedding extends TinyLoraLayer {
  added(ids: Tensor): Tensor {
    const { tinylora_A: a, tinylora_B: b } = this.factors;
    const rows = this.dropout.forward(embedding(b, ids));
    return matmul(matmul(rows, this.weights()), a);
  }
}

/**
 * TinyLoRA: trains a few values, which combine random updates of each weight's largest singular values. 2026,
 * https://arxiv.org/abs/2602.04118
 */
export const tinylora: PeftMethod<TinyLoraConfig> = definePeftMethod({
  peftType: "TINYLORA",
  // The rank of a layer is at most its sizes.
  sizes: ["u"],
  Config: TinyLoraConfig,
  format: tinyloraFormat,
  recipes: [
    {
      name: "tinylora",
      title: "TinyLoRA",
      learningRate: 1e-2,
      sizeOption: "u",
      config: ({ targetModules }) => new TinyLoraConfig({ targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("tinyloraDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    { field: "u", flag: "u", type: "integer", least: 1, help: "length of a trained vector" },
    {
      field: "weightTying",
      flag: "weight-tying",
      type: "number",
      least: 0,
      most: 1,
      help: "0: each layer has its own vector, 1: all layers share one",
    },
    { field: "projectionSeed", flag: "projection-seed", type: "integer", help: "seed of the random projections" },
    {
      field: "saveProjection",
      flag: "save-projection",
      type: "oneOf",
      values: [true, false],
      help: "save the projections with the adapter",
    },
    initWeightsOption([true, false, "uniform"]),
  ],
  kinds: ["linear", "conv1d", "embedding"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  createShared: vectors,
  setsFanInFanOut: true,
  // The seed and the vector of a layer depend on which layers come before it.
  swappable: { fields: ["initVBound", "initWeights"], conflict: () => "targetModules" },
  createLayer: async (context) => {
    const made = await constants(context);
    return context.kind === "embedding" ? new TinyLoraEmbedding(context, made) : new TinyLoraLinear(context, made);
  },
});
