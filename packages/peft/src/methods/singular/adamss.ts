import {
  add,
  cat,
  indexSelect,
  linear,
  matmul,
  OptionError,
  scope,
  slice,
  type Tensor,
  tensor,
  truncatedSvd,
} from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import { type DenseLayer, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { modulesToSaveOption, rankOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { AdamssConfig, adamssFormat } from "./adamssConfig.ts";
import { kMeans } from "./kMeans.ts";
import { lowRankSvd } from "./lowRankSvd.ts";
import { type ClusteredLayer, SubspaceAllocator } from "./subspaceAllocator.ts";
import { asColumns, complete, weightValues } from "./weightSvd.ts";

/** The modules that AdaMSS adapts by default, by `model_type`. */
const adamssTargets: Readonly<Record<string, readonly string[]>> = { ...attentionTargets, vit: ["query", "value"] };

/** One cluster of a layer's outputs. */
interface Subspace {
  /** The outputs, in ascending order. */
  readonly outputs: readonly number[];
  /** The initial A, [rank, r]: orthonormal rows. */
  readonly start: Float32Array;
  readonly rank: number;
}

interface Subspaces {
  /** The right singular vectors of the weight with the bias as its last column, [r, in + 1 or in]. */
  readonly vectors: Float32Array;
  readonly rank: number;
  readonly clusters: readonly Subspace[];
}

/** Singular values below this share of the largest one are rounding errors, and their vectors are arbitrary. */
const leastShare = 1e-6;

/** Returns a layer's weight with its bias as the last column, and the number of columns. */
async function weightAndBias(context: LayerContext<AdamssConfig>): Promise<Float32Array> {
  const { inFeatures, outFeatures, bias } = context.base as Linear;
  const weight = await weightValues(context);
  if (!bias) return weight;
  const full = toF32(bias);
  const biases = (await full.data()) as Float32Array;
  if (full !== bias) full.dispose();
  const both = new Float32Array(outFeatures * (inFeatures + 1));
  for (let i = 0; i < outFeatures; i++) {
    both.set(weight.subarray(i * inFeatures, (i + 1) * inFeatures), i * (inFeatures + 1));
    both[i * (inFeatures + 1) + inFeatures] = biases[i];
  }
  return both;
}

/** Returns the initial A of a cluster: right singular vectors of the rows of U that belong to its outputs. */
function startOf(
  { subspaceRank, useDynamicRank, svdThreshold }: AdamssConfig,
  rows: Float32Array,
  r: number,
  rank: number | undefined,
): Pick<Subspace, "start" | "rank"> {
  const count = rows.length / r;
  const most = Math.min(count, r);
  const { values, right } = truncatedSvd(rows, count, r, most);
  // PEFT compares the singular values of the rows' products, which are squares.
  const above = values.filter((value) => value ** 2 > svdThreshold * values[0] ** 2).length;
  const own = rank ?? Math.min(count, subspaceRank, useDynamicRank ? Math.max(1, above) : count);
  const start = right.slice(0, own * r);
  complete(start, r);
  return { start: Float32Array.from(start), rank: own };
}

/** Returns a layer's clusters. If an adapter is loaded, throws unless they fit the tensors of its file. */
async function subspaces(context: LayerContext<AdamssConfig>): Promise<Subspaces> {
  const { config, base, path, backend, loading, shapeOf } = context;
  const { inFeatures, outFeatures, bias } = base as Linear;
  const columns = inFeatures + (bias ? 1 : 0);
  const r = Math.min(config.r, outFeatures, columns);
  const count = Math.min(config.numSubspaces, outFeatures);
  if (config.subspaceRank > r || r >= outFeatures) {
    const option = r >= outFeatures ? "r" : "subspaceRank";
    throw new OptionError("", option, config[option], (named) => {
      const problem =
        option === "r"
          ? `${named("r")} ${config.r} must be less than its outputs, since all rows of its singular vectors are equally far from each other otherwise and have no clusters`
          : `${named("subspaceRank")} ${config.subspaceRank} must be at most ${r}, the number of its singular vectors`;
      return `${path} is [${outFeatures},${inFeatures}]: ${problem}; choose a smaller value, or leave the layer out`;
    });
  }
  if (backend.dataless) {
    const bounds = Array.from({ length: count + 1 }, (_, k) => Math.floor((k * outFeatures) / count));
    const clusters = Array.from({ length: count }, (_, k) => {
      const outputs = Array.from({ length: bounds[k + 1] - bounds[k] }, (_, i) => bounds[k] + i);
      const rank = Math.min(outputs.length, config.subspaceRank);
      return { outputs, rank, start: new Float32Array(rank * r) };
    });
    return { vectors: new Float32Array(r * columns), rank: r, clusters };
  }
  const svd = lowRankSvd(await weightAndBias(context), [outFeatures, columns], r, config.randomSeed);
  if (!(svd.values[r - 1] > leastShare * svd.values[0])) {
    const shape = `[${outFeatures},${inFeatures}]`;
    throw new OptionError("", "r", config.r, (named) => {
      return `${path} is ${shape}, and its rank is less than ${named("r")} ${config.r}: further singular vectors are arbitrary; choose a smaller value, or leave the layer out`;
    });
  }
  const u = asColumns(svd.left, outFeatures);
  const labels = kMeans(u, r, count);
  const clusters = Array.from({ length: count }, (_, k) => {
    const outputs = [...labels.keys()].filter((i) => labels[i] === k);
    const file = loading ? shapeOf(`adamss_B.${k}`) : undefined;
    if (outputs.length === 0 || (file && file[0] !== outputs.length)) {
      const found = `cluster ${k} has ${outputs.length} outputs`;
      const expected = file ? `, but ${file[0]} in the file: the file belongs to other weights` : "";
      throw new Error(`${path}: ${found}${expected}; load the base model with which the adapter was made`);
    }
    const rows = Float32Array.from(outputs.flatMap((i) => [...u.subarray(i * r, (i + 1) * r)]));
    return { outputs, ...startOf(config, rows, r, file?.[1]) };
  });
  return { vectors: Float32Array.from(svd.right), rank: r, clusters };
}

type Name = `adamss_A.${number}` | `adamss_B.${number}`;

/**
 * AdaMSS on a linear layer. Its outputs are in K clusters. The update of cluster k is B_k A_k V, where V has the right
 * singular vectors of the weight and its bias, and A_k [rank, r] and B_k [outputs, rank] train.
 */
class AdamssLinear implements ClusteredLayer {
  readonly parameters: Record<Name, Parameter> = {};
  readonly buffers: { readonly adamss_newB: Tensor };
  readonly constants: readonly Tensor[];
  /** The row of the joined clusters that belongs to each output, [out]. */
  readonly #order: Tensor;
  readonly clusters: number;
  readonly resting = new Set<number>();
  readonly #inFeatures: number;

  constructor(context: LayerContext<AdamssConfig>, { vectors, rank: r, clusters }: Subspaces) {
    const { base, config, backend } = context;
    const { inFeatures, outFeatures } = base as Linear;
    const { zero, normal } = draws(context);
    this.#inFeatures = inFeatures;
    this.clusters = clusters.length;
    for (const [k, { outputs, start, rank }] of clusters.entries()) {
      this.parameters[`adamss_A.${k}`] = drawn((shape) => tensor(start, { shape, backend }), [rank, r]);
      this.parameters[`adamss_B.${k}`] = drawn(config.initWeights ? zero : normal(0.01), [outputs.length, rank]);
    }
    this.buffers = { adamss_newB: tensor(vectors, { shape: [r, vectors.length / r], backend }) };
    const order = new Int32Array(outFeatures);
    for (const [row, output] of clusters.flatMap(({ outputs }) => outputs).entries()) order[output] = row;
    this.#order = tensor(order, { backend });
    this.constants = [this.#order];
  }

  get frozen(): readonly string[] {
    return [...this.resting].flatMap((k) => [`adamss_A.${k}`, `adamss_B.${k}`]);
  }

  /** Returns the update's left factor, [out, r]. */
  #left(): Tensor {
    const products = Array.from({ length: this.clusters }, (_, k) =>
      matmul(this.parameters[`adamss_B.${k}`], this.parameters[`adamss_A.${k}`]),
    );
    return indexSelect(cat(products, { dim: 0 }), this.#order, { dim: 0 });
  }

  /** Returns the part of the vectors that belongs to the inputs [r, in], and the part of the bias [r, 1]. */
  #right(): [inputs: Tensor, bias: Tensor | null] {
    const { adamss_newB: vectors } = this.buffers;
    const [, columns] = vectors.shape;
    const end = this.#inFeatures;
    if (columns === end) return [vectors, null];
    return [slice(vectors, { dim: 1, start: 0, end }), slice(vectors, { dim: 1, start: end })];
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const [inputs, bias] = this.#right();
    return linear(linear(x, inputs, bias?.reshape([-1])), this.#left());
  }

  merge(base: DenseLayer): DenseLayer {
    const left = this.#left();
    const [inputs, bias] = this.#right();
    const merged = mapWeight(base, (weight) => add(weight, matmul(left, inputs)));
    return bias && base.bias ? { ...merged, bias: add(base.bias, matmul(left, bias).reshape([-1])) } : merged;
  }
}

/** AdaMSS: trains low-rank updates of clusters of outputs. */
export const adamss: PeftMethod<AdamssConfig> = definePeftMethod({
  peftType: "ADAMSS",
  sizes: ["r"],
  Config: AdamssConfig,
  format: adamssFormat,
  recipes: [
    {
      name: "adamss",
      title: "AdaMSS",
      learningRate: 3e-3,
      sizeOption: "subspace-rank",
      config: ({ r, targetModules }) => new AdamssConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    targetsOption,
    modulesToSaveOption,
    { field: "numSubspaces", flag: "num-subspaces", type: "integer", least: 1, help: "clusters of outputs" },
    { field: "subspaceRank", flag: "subspace-rank", type: "integer", least: 1, help: "rank of a cluster's update" },
    { field: "useDynamicRank", flag: "use-dynamic-rank", type: "boolean", help: "ranks from singular values" },
    { field: "useAsa", flag: "use-asa", type: "boolean", help: "freeze unimportant clusters during training" },
    {
      field: "asaTargetSubspaces",
      flag: "asa-target-subspaces",
      type: "integer",
      least: 1,
      help: "clusters of all layers that train at the end",
    },
    { field: "initWarmup", flag: "init-warmup", type: "integer", least: 0, help: "steps before clusters are frozen" },
    { field: "finalWarmup", flag: "final-warmup", type: "integer", least: 1, help: "step of the last freezing" },
    { field: "maskInterval", flag: "mask-interval", type: "integer", least: 1, help: "steps between two freezings" },
    { field: "randomSeed", flag: "random-seed", type: "integer", help: "seed of the approximate decomposition" },
  ],
  kinds: ["linear"],
  defaultTargets: adamssTargets,
  swappable: { fields: ["initWeights"] },
  createAllocator: (layers, { useAsa }) =>
    useAsa ? new SubspaceAllocator(layers as ReadonlyMap<string, ClusteredLayer>) : null,
  createLayer: async (context) => new AdamssLinear(context, await subspaces(context)),
});
