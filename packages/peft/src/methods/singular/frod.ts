import {
  add,
  cat,
  copyInto,
  indexAdd,
  linear,
  matmul,
  noGrad,
  OptionError,
  scope,
  sub,
  type Tensor,
  tensor,
  zeros,
} from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { queryAndValue } from "../../targets/pattern.ts";
import {
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { Basis, blockOf, type Coordinates, categoryOf, jointBasis } from "./frodBasis.ts";
import { FrodConfig, frodFormat } from "./frodConfig.ts";
import { weightValues } from "./weightSvd.ts";

/** The modules that FRoD adapts by default, by `model_type`. */
const frodTargets: Readonly<Record<string, readonly string[]>> = {
  ...attentionTargets,
  phi: queryAndValue,
  vit: ["query", "value"],
};

type SharedName = "frod_V" | "frod_s_indices" | "frod_s_size";

interface Bases extends SharedTensors {
  /**
   * By category: the basis `frod_V` [n, n], the rows and columns of the trained elements next to the diagonal
   * `frod_s_indices` [2, count], and their matrix's shape `frod_s_size` [2].
   */
  buffers: Record<`${SharedName}.${string}`, Tensor>;
  /** The bases whose matrices were factored, by category. */
  factored: Map<string, Basis>;
}

/** Returns the number of elements next to the diagonal of a matrix [n, n] that train. */
function trainedElements(n: number, sparseRate: number): number {
  const others = n * n - n;
  const count = Math.min(Math.trunc(n * n * sparseRate), others);
  return sparseRate > 0 && others > 0 ? Math.max(1, count) : count;
}

/** Draws PEFT's positions of the trained elements: their rows, and then their columns. */
function drawPositions(generator: TorchGenerator, n: number, count: number): Int32Array {
  const out = new Int32Array(2 * count);
  if (count === 0) return out;
  for (const [i, drawn] of generator.randperm(n * n - n, count).entries()) {
    const row = Math.floor(drawn / (n - 1));
    const column = drawn % (n - 1);
    out[i] = row;
    // The diagonal is left out.
    out[count + i] = column < row ? column : column + 1;
  }
  return out;
}

/** Returns the layers by category, each in the order of its blocks. The last layer of a block counts, as in PEFT. */
function byCategory(layers: SharedContext<FrodConfig>["layers"]): Map<string, SharedContext<FrodConfig>["layers"]> {
  const blocks = new Map<string, Map<number, (typeof layers)[number]>>();
  for (const [i, layer] of layers.entries()) {
    const category = categoryOf(layer.path);
    const found = blocks.get(category) ?? new Map();
    blocks.set(category, found.set(blockOf(layer.path, i), layer));
  }
  const sorted = [...blocks].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(sorted.map(([name, of]) => [name, [...of].sort(([a], [b]) => a - b).map(([, layer]) => layer)]));
}

async function bases({ layers, config, backend, loading }: SharedContext<FrodConfig>): Promise<Bases> {
  const { sparseRate, projectionPrngKey, regularizationAlpha } = config;
  const generator = new TorchGenerator(projectionPrngKey);
  const buffers: Bases["buffers"] = {};
  for (const [category, of] of byCategory(layers)) {
    const n = (of[0].base as Linear).inFeatures;
    const other = layers.find(({ path, base }) => categoryOf(path) === category && (base as Linear).inFeatures !== n);
    if (other) {
      const sizes = `${of[0].path} has ${n} inputs, but ${other.path} has ${(other.base as Linear).inFeatures}`;
      throw new Error(`FROD: ${sizes}; layers of the category ${category} share a basis: leave one of them out`);
    }
    const count = trainedElements(n, sparseRate);
    const blank = backend.dataless || loading;
    const positions = blank ? new Int32Array(2 * count) : drawPositions(generator, n, count);
    let v: Float64Array | null = new Float64Array(blank ? n * n : 0);
    if (!blank) {
      const weights: Float32Array[] = [];
      for (const layer of of) weights.push(await weightValues({ ...layer, config }));
      v = jointBasis(weights, n, regularizationAlpha);
    }
    if (v === null) {
      throw new OptionError("", "regularizationAlpha", regularizationAlpha, (named) => {
        return `${category}: a matrix is singular with ${named("regularizationAlpha")} ${regularizationAlpha}; choose a larger value`;
      });
    }
    buffers[`frod_V.${category}`] = tensor(Float32Array.from(v), { shape: [n, n], backend });
    buffers[`frod_s_indices.${category}`] = tensor(positions, { shape: [2, count], backend });
    buffers[`frod_s_size.${category}`] = tensor(Int32Array.of(n, n), { backend });
  }
  return { buffers, savesBuffers: true, factored: new Map() };
}

/** Returns the coordinates of a layer's weight in the basis of its category. On a backend without data, zeros. */
async function coordinates(
  context: Pick<LayerContext<FrodConfig>, "base" | "kind" | "path" | "config" | "shared" | "backend">,
): Promise<Coordinates> {
  const { inFeatures, outFeatures } = context.base as Linear;
  const { buffers, factored } = context.shared as Bases;
  if (context.backend.dataless) {
    return { u: new Float32Array(outFeatures * inFeatures), lengths: new Float32Array(inFeatures) };
  }
  const category = categoryOf(context.path);
  const v = (await buffers[`frod_V.${category}`].data()) as Float32Array;
  let basis = factored.get(category);
  if (!basis?.hasValues(v)) {
    basis = new Basis(v.slice(), inFeatures);
    factored.set(category, basis);
  }
  return basis.coordinates(await weightValues(context));
}

/**
 * FRoD on a linear layer. The weight is U (S + diag(λ)) Vᵀ. U [out, n] and V [n, n] are fixed, and layers in the same
 * position of different blocks share V. λ [n] and a few elements of the matrix S [n, n] train.
 */
class FrodLinear implements LayerAdapter {
  readonly parameters: { readonly frod_lambda_l: Parameter; readonly frod_lambda_s_values: Parameter };
  readonly constants: readonly Tensor[];
  readonly modules: Record<string, Module>;
  readonly #context: Pick<LayerContext<FrodConfig>, "base" | "kind" | "path" | "config" | "shared" | "backend">;
  readonly #dropout: Dropout;
  readonly #u: Tensor;
  /** Positions of S's trained elements, and then of the diagonal, in a matrix [n, n] as one row. */
  readonly #positions: Tensor;

  constructor(context: LayerContext<FrodConfig>, { u, lengths }: Coordinates) {
    const { base, kind, path, config, shared, backend } = context;
    const { inFeatures: n, outFeatures } = base as Linear;
    const { zero, normal } = draws(context);
    const random = !config.initWeights;
    const start = () => tensor(lengths, { backend });
    this.#context = { base, kind, path, config, shared, backend };
    const count = trainedElements(n, config.sparseRate);
    this.parameters = {
      frod_lambda_l: drawn(random ? (shape) => add(start(), normal(0.1)(shape)) : start, [n]),
      frod_lambda_s_values: drawn(random ? normal(0.1) : zero, [count]),
    };
    this.#dropout = layerDropout(context, config.frodDropout);
    this.modules = config.frodDropout > 0 ? { frod_dropout: this.#dropout } : {};
    this.#u = tensor(u, { shape: [outFeatures, n], backend });
    this.#positions = zeros([count + n], { dtype: "i32", backend });
    this.constants = [this.#u, this.#positions];
  }

  #shared(name: SharedName): Tensor {
    return (this.#context.shared as Bases).buffers[`${name}.${categoryOf(this.#context.path)}`];
  }

  /** Sets the positions from the shared rows and columns. Throws if one is outside of the matrix. */
  async readPositions(): Promise<void> {
    if (this.#context.backend.dataless) return;
    const n = this.parameters.frod_lambda_l.shape[0];
    const name = `frod_s_indices.${categoryOf(this.#context.path)}`;
    const indices = await this.#shared("frod_s_indices").data();
    const count = indices.length / 2;
    const positions = Int32Array.from({ length: count + n }, (_, i) => {
      if (i >= count) return (i - count) * (n + 1);
      const [row, column] = [Number(indices[i]), Number(indices[count + i])];
      if (row >= 0 && row < n && column >= 0 && column < n) return row * n + column;
      const problem = `has row ${row} and column ${column}, but the basis is [${n},${n}]`;
      throw new Error(`${name} ${problem}; the file is damaged or belongs to another model`);
    });
    this.#fill(this.#positions, tensor(positions, { backend: this.#context.backend }));
  }

  async valuesRead(): Promise<void> {
    await this.readPositions();
    const { u } = await coordinates(this.#context);
    this.#fill(this.#u, tensor(u, { shape: this.#u.shape, backend: this.#context.backend }));
  }

  #fill(to: Tensor, values: Tensor): void {
    noGrad(() => copyInto(to, values));
    values.dispose();
  }

  /** Returns S + diag(λ), [n, n]. */
  #rotation(): Tensor {
    const { frod_lambda_l: diagonal, frod_lambda_s_values: values } = this.parameters;
    const n = diagonal.shape[0];
    const start = zeros([n * n], { backend: diagonal.storage.backend });
    return indexAdd(start, this.#positions, cat([values, diagonal], { dim: 0 }), { dim: 0 }).reshape([n, n]);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const dropout = this.#dropout;
    return scope(() => {
      const drops = dropout.training && this.#context.config.frodDropout > 0;
      const h = drops ? dropout.forward(x) : x;
      const y = linear(linear(matmul(h, this.#shared("frod_V")), this.#rotation()), this.#u, (base as Linear).bias);
      // Only the change of the weight sees the input with dropout.
      return drops ? add(base.forward(x), sub(y, base.forward(h))) : y;
    });
  }

  merge(base: DenseLayer, bare: DenseLayer): DenseLayer {
    const whole = () => matmul(matmul(this.#u, this.#rotation()), this.#shared("frod_V"), { transposeB: true });
    return mapWeight(base, (weight) => {
      const before = bare.fanInFanOut ? bare.weight.transpose(0, 1) : bare.weight;
      return add(weight, sub(whole(), before));
    });
  }
}

/**
 * FRoD: trains the diagonal and a few other elements of a rotation between bases that come from the joint decomposition
 * of weights. https://doi.org/10.1609/aaai.v40i31.39813
 */
export const frod: PeftMethod<FrodConfig> = definePeftMethod({
  peftType: "FROD",
  sizes: [],
  Config: FrodConfig,
  format: frodFormat,
  recipes: [
    {
      name: "frod",
      title: "FRoD",
      learningRate: 3e-3,
      sizeOption: "sparse-rate",
      config: ({ targetModules }) => new FrodConfig({ targetModules }),
    },
  ],
  options: [
    dropoutOption("frodDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "sparseRate",
      flag: "sparse-rate",
      type: "number",
      least: 0,
      most: 1,
      help: "share of the rotation's elements that train",
    },
    {
      field: "projectionPrngKey",
      flag: "projection-prng-key",
      type: "integer",
      help: "seed of the positions of trained elements",
    },
    {
      field: "regularizationAlpha",
      flag: "regularization-alpha",
      type: "number",
      least: 0,
      help: "added to diagonals before inverting",
    },
    initWeightsOption(),
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: frodTargets,
  bias: ({ bias }) => biasMode(bias),
  createShared: bases,
  setsFanInFanOut: true,
  buffersFollowBaseDtype: true,
  integersInFiles: "I64",
  // Files contain the bases and positions.
  swappable: { fields: ["initWeights", "projectionPrngKey", "regularizationAlpha"] },
  createLayer: async (context) => {
    const { inFeatures, outFeatures } = context.base as Linear;
    const blank = { u: new Float32Array(outFeatures * inFeatures), lengths: new Float32Array(inFeatures) };
    const layer = new FrodLinear(context, context.loading ? blank : await coordinates(context));
    if (!context.loading) await layer.readPositions();
    return layer;
  },
});
