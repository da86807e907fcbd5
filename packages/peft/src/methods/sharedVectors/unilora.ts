import { add, embedding, matmul, mul, OptionError, scope, type Tensor, tensor, zeros } from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { type Dropout, Linear, type Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { NumpyGenerator } from "../../random/numpyGenerator.ts";
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
import type { FileForm } from "../shared/fileForm.ts";
import { addProduct } from "../shared/mergedWeight.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { UniLoraConfig, uniloraFormat } from "./uniloraConfig.ts";

/** The most elements of A and B for which indices can be drawn. */
const mostElements = 2 ** 31 - 1;

/** Indices into the shared vector for all elements of A and B of all layers. */
interface Assignment {
  readonly indices: Int32Array;
  /** The factor of each element of the vector: 1 / √n if it has n places. */
  readonly scales: Float32Array;
  /** Position of the first index of each layer, by path. A comes first, and then B, each row by row. */
  readonly starts: ReadonlyMap<string, number>;
}

interface Vector extends SharedTensors {
  /** The trained vector θ that all layers share, [thetaDLength]. */
  parameters: { unilora_theta_d: Parameter };
  /** Null if a file contains the indices, or if only shapes are computed. */
  assignment: Assignment | null;
}

/** Returns PEFT's random indices, of which each occurs as often as the others or once more. */
function assign({ layers, config }: SharedContext<UniLoraConfig>): Assignment {
  const { r, thetaDLength: length, projSeed } = config;
  const starts = new Map<string, number>();
  let total = 0;
  for (const { base, path } of layers) {
    starts.set(path, total);
    total += r * ((base as Linear).inFeatures + (base as Linear).outFeatures);
  }
  if (total > mostElements) {
    throw new OptionError("", "r", r, (named) => {
      return `${named("r")} is ${r}: A and B of all layers have ${total} elements, more than ${mostElements}; choose a smaller value, or adapt fewer layers`;
    });
  }
  const generator = new NumpyGenerator(projSeed);
  const each = Math.floor(total / length);
  const indices = Int32Array.from({ length: total }, (_, i) => Math.floor(i / each));
  indices.set(generator.choice(length, total % length), each * length);
  generator.shuffle(indices);
  const counts = new Float32Array(length);
  for (const index of indices) counts[index]++;
  return { indices, scales: counts.map((count) => (count > 0 ? 1 / Math.fround(Math.sqrt(count)) : 0)), starts };
}

function vector(context: SharedContext<UniLoraConfig>): Vector {
  const { config, loading, backend } = context;
  const { uniform, normal } = draws(context);
  const start = config.initWeights ? uniform(config.initThetaDBound) : normal(1);
  const filed = loading && config.saveIndices;
  return {
    parameters: { unilora_theta_d: drawn(start, [config.thetaDLength]) },
    assignment: backend.dataless || filed ? null : assign(context),
  };
}

type Places = "unilora_indices_A" | "unilora_indices_B" | "unilora_scales_A" | "unilora_scales_B";

/**
 * Uni-LoRA on a linear layer: a LoRA whose elements of A and B are elements of one shared vector, at random indices,
 * multiplied by constant scales.
 */
class UniLoraLinear implements LayerAdapter {
  readonly parameters: Record<string, never> = {};
  readonly buffers: Readonly<Record<Places, Tensor>> | Record<string, never>;
  readonly constants: readonly Tensor[];
  readonly modules: Record<string, Module | Parameter>;
  readonly #places: Readonly<Record<Places, Tensor>>;
  readonly #vector: Parameter;
  readonly #dropout: Dropout;
  readonly #path: string;

  constructor(context: LayerContext<UniLoraConfig>) {
    const { config, path, base, backend, shared } = context;
    const { inFeatures, outFeatures } = base as Linear;
    const { parameters, assignment } = shared as Vector;
    const start = assignment?.starts.get(path) ?? 0;
    const placed = (from: number, shape: readonly [number, number]): [indices: Tensor, scales: Tensor] => {
      const size = shape[0] * shape[1];
      if (!assignment) return [zeros(shape, { dtype: "i32", backend }), zeros(shape, { backend })];
      const indices = assignment.indices.slice(from, from + size);
      const scales = Float32Array.from(indices, (index) => assignment.scales[index]);
      return [tensor(indices, { shape, backend }), tensor(scales, { shape, backend })];
    };
    const [indicesA, scalesA] = placed(start, [config.r, inFeatures]);
    const [indicesB, scalesB] = placed(start + config.r * inFeatures, [outFeatures, config.r]);
    this.#places = {
      unilora_indices_A: indicesA,
      unilora_indices_B: indicesB,
      unilora_scales_A: scalesA,
      unilora_scales_B: scalesB,
    };
    this.buffers = config.saveIndices ? this.#places : {};
    this.constants = config.saveIndices ? [] : Object.values(this.#places);
    this.#vector = parameters.unilora_theta_d;
    this.#dropout = layerDropout(context, config.uniloraDropout);
    // As in PEFT, every layer has a reference to the vector.
    this.modules = {
      unilora_theta_d: this.#vector,
      ...(config.uniloraDropout > 0 ? { unilora_dropout: this.#dropout } : {}),
    };
    this.#path = path;
  }

  async valuesRead(): Promise<void> {
    const [length] = this.#vector.shape;
    for (const [name, indices] of Object.entries(this.buffers)) {
      if (!name.startsWith("unilora_indices")) continue;
      for (const index of await indices.data()) {
        if (index >= 0 && index < length) continue;
        throw new Error(
          `${this.#path}.${name} has the index ${index}; expected 0 to ${length - 1}, the last element of unilora_theta_d; the file is damaged`,
        );
      }
    }
  }

  #factor(indices: Tensor, scales: Tensor): Tensor {
    const [length] = this.#vector.shape;
    return mul(embedding(this.#vector.reshape([length, 1]), indices).reshape(indices.shape), scales);
  }

  /** Returns A [r, in] and B [out, r]. */
  #factors(): [a: Tensor, b: Tensor] {
    const places = this.#places;
    return [
      this.#factor(places.unilora_indices_A, places.unilora_scales_A),
      this.#factor(places.unilora_indices_B, places.unilora_scales_B),
    ];
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const dropped = this.#dropout.forward(x);
      if (base instanceof Linear && base.isExact && dropped === x) {
        const y = loraLinear(x, base.weight, ...this.#factors(), { scaling: 1 });
        return base.bias ? add(y, toF32(base.bias)) : y;
      }
      return add(base.forward(x), product(dropped, ...this.#factors()));
    });
  }

  added(x: Tensor): Tensor {
    return product(this.#dropout.forward(x), ...this.#factors());
  }

  merge(base: DenseLayer): DenseLayer {
    return addProduct(base, ...this.#factors());
  }
}

/** Returns (x Aᵀ) Bᵀ. */
function product(x: Tensor, a: Tensor, b: Tensor): Tensor {
  return matmul(matmul(x, a, { transposeB: true }), b, { transposeB: true });
}

/** Uni-LoRA: LoRA adapters whose elements come from one vector. Li et al. 2025, https://arxiv.org/abs/2506.00799 */
export const unilora: PeftMethod<UniLoraConfig> = definePeftMethod({
  peftType: "UNILORA",
  sizes: ["thetaDLength"],
  Config: UniLoraConfig,
  format: uniloraFormat,
  recipes: [
    {
      name: "unilora",
      title: "Uni-LoRA",
      learningRate: 3e-2,
      sizeOption: "theta-d-length",
      config: ({ r, targetModules }) => new UniLoraConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("uniloraDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "thetaDLength",
      flag: "theta-d-length",
      type: "integer",
      least: 1,
      help: "elements of the vector that all layers share",
    },
    { field: "projSeed", flag: "proj-seed", type: "integer", least: 0, help: "seed of the positions in A and B" },
    { field: "saveIndices", flag: "save-indices", type: "boolean", help: "save the positions with the adapter" },
    initWeightsOption(),
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => (bias === "unilora_only" ? "layers" : bias),
  fileForm: ({ saveIndices }) => (saveIndices ? longIndices : null),
  createShared: vector,
  setsFanInFanOut: true,
  // The indices in one layer depend on which layers come before it.
  swappable: { fields: ["initThetaDBound", "initWeights"], conflict: () => "targetModules" },
  createLayer: (context) => new UniLoraLinear(context),
});

/** Files contain the indices as 64-bit integers, as PEFT's do. */
const longIndices: FileForm = {
  exact: true,
  parts: (key, { shape }) => (/\.unilora_indices_[AB]$/.test(key) ? [{ name: key, dtype: "I64", shape }] : null),
  encode: async (indices) => {
    const long = BigInt64Array.from(await indices.data("i32"), BigInt);
    return [new Uint8Array(long.buffer)];
  },
  decode: ([bytes], _, label) => {
    return Int32Array.from(new BigInt64Array(bytes.slice().buffer), (index) => {
      if (BigInt.asIntN(32, index) === index) return Number(index);
      throw new Error(`${label} has the index ${index}, which is outside the vector; the file is damaged`);
    });
  },
};
