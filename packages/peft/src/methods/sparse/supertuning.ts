import { add, affine, indexAdd, linear, matmul, OptionError, scope, type Tensor, tensor, zeros } from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { initWeightsOption, modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { extremes } from "./extremes.ts";
import { SupertuningConfig, supertuningFormat } from "./supertuningConfig.ts";

/** Returns the number of elements of a weight with `size` elements that train. Throws if there are none. */
function trainedElements({ config, path, base }: LayerContext<SupertuningConfig>): number {
  const { inFeatures, outFeatures } = base as Linear;
  const { sparsity } = config;
  const count = Math.trunc(inFeatures * outFeatures * (1 - sparsity));
  if (count >= 1) return count;
  throw new OptionError("", "sparsity", sparsity, (named) => {
    const shape = `[${outFeatures},${inFeatures}]`;
    return `${path} is ${shape}: with ${named("sparsity")} ${sparsity} none of its elements train; choose a smaller value, or leave the layer out`;
  });
}

/** Returns the positions of the trained elements of a layer's weight, in the order of PyTorch. */
async function positionsOf(context: LayerContext<SupertuningConfig>, count: number): Promise<Int32Array> {
  const { config, path, base, backend, loading } = context;
  const { selectTop, savePrecomputedIndices } = config;
  if (backend.dataless || (loading && savePrecomputedIndices)) return new Int32Array(count);
  const { weight } = base as Linear;
  const full = toF32(weight);
  const values = (await full.data()) as Float32Array;
  if (full !== weight) full.dispose();
  const { positions, tied } = extremes(values, count, selectTop);
  if (tied && !savePrecomputedIndices) {
    throw new OptionError("", "savePrecomputedIndices", false, (named) => {
      return `${path} has elements of equal magnitude, whose positions PyTorch may order otherwise: ${named("savePrecomputedIndices")} must be true, so that the file contains the positions`;
    });
  }
  return positions;
}

/**
 * Super-Tuning on a linear layer. Trains the changes of the n elements of the weight with the largest or smallest
 * magnitudes. Files contain the changes [n] and the positions [n] in the weight as one row of out · in elements. With a
 * rank, a LoRA is added.
 */
class SupertuningLinear implements LayerAdapter {
  readonly parameters: {
    readonly supertuning_values: Parameter;
    readonly "supertuning_lora_A.weight"?: Parameter;
    readonly "supertuning_lora_B.weight"?: Parameter;
  };
  readonly buffers: Readonly<Record<string, Tensor>>;
  readonly constants: readonly Tensor[];
  readonly modules: Record<string, Module>;
  readonly #positions: Tensor;
  readonly #shape: readonly [out: number, inputs: number];
  readonly #path: string;
  readonly #dropout: Dropout;
  readonly #scaling: number;

  constructor(context: LayerContext<SupertuningConfig>, positions: Int32Array) {
    const { config, path, backend } = context;
    const { r, loraAlpha, loraDropout, initWeights, savePrecomputedIndices } = config;
    const { inFeatures, outFeatures } = context.base as Linear;
    const { zero, normal, uniform } = draws(context);
    this.#path = path;
    this.#shape = [outFeatures, inFeatures];
    this.#positions = tensor(positions, { backend });
    this.buffers = savePrecomputedIndices ? { supertuning_indices: this.#positions } : {};
    this.constants = savePrecomputedIndices ? [] : [this.#positions];
    this.#dropout = layerDropout(context, loraDropout);
    this.modules = r !== null && loraDropout > 0 ? { supertuning_lora_dropout: this.#dropout } : {};
    this.#scaling = r === null ? 0 : (loraAlpha ?? 2 * r) / r;
    const supertuning_values = drawn(initWeights ? zero : normal(1), [positions.length]);
    this.parameters =
      r === null
        ? { supertuning_values }
        : {
            supertuning_values,
            "supertuning_lora_A.weight": drawn(uniform(1 / Math.sqrt(inFeatures)), [r, inFeatures]),
            "supertuning_lora_B.weight": drawn(initWeights ? zero : uniform(1 / Math.sqrt(r)), [outFeatures, r]),
          };
  }

  async valuesRead(): Promise<void> {
    const [out, inputs] = this.#shape;
    for (const position of await this.#positions.data()) {
      if (Number(position) >= 0 && Number(position) < out * inputs) continue;
      throw new Error(
        `${this.#path}.supertuning_indices has ${position}, but the weight has ${out * inputs} elements; the file is damaged or belongs to another model`,
      );
    }
  }

  /** Returns the changes of single elements as a matrix, [out, in]. */
  #sparse(): Tensor {
    const { supertuning_values: values } = this.parameters;
    const [out, inputs] = this.#shape;
    const start = zeros([out * inputs], { backend: values.storage.backend });
    return indexAdd(start, this.#positions, values, { dim: 0 }).reshape([out, inputs]);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const { weight, bias } = base as Linear;
    const { "supertuning_lora_A.weight": a, "supertuning_lora_B.weight": b } = this.parameters;
    return scope(() => {
      const y = linear(x, add(toF32(weight), this.#sparse()), bias);
      if (!a || !b) return y;
      const low = matmul(this.#dropout.forward(x), a, { transposeB: true });
      return add(y, affine(matmul(low, b, { transposeB: true }), { scale: this.#scaling }));
    });
  }

  merge(base: DenseLayer): DenseLayer {
    const { "supertuning_lora_A.weight": a, "supertuning_lora_B.weight": b } = this.parameters;
    return mapWeight(base, (weight) => {
      const sum = add(weight, this.#sparse());
      return a && b ? add(sum, affine(matmul(b, a), { scale: this.#scaling })) : sum;
    });
  }
}

/** Super-Tuning: trains the elements of each weight with the largest magnitudes. https://arxiv.org/abs/2607.09287 */
export const supertuning: PeftMethod<SupertuningConfig> = definePeftMethod({
  peftType: "SUPERTUNING",
  Config: SupertuningConfig,
  format: supertuningFormat,
  recipes: [
    {
      name: "supertuning",
      title: "Super-Tuning",
      learningRate: 3e-3,
      sizeOption: "sparsity",
      config: ({ targetModules }) => new SupertuningConfig({ targetModules }),
    },
  ],
  options: [
    targetsOption,
    modulesToSaveOption,
    {
      field: "sparsity",
      flag: "sparsity",
      type: "number",
      least: 0,
      most: 1,
      help: "share of the elements that do not train",
    },
    { field: "r", flag: "supra-r", type: "integer", least: 1, help: "rank of a LoRA that is added" },
    {
      field: "selectTop",
      flag: "select-top",
      type: "oneOf",
      values: [true, false],
      help: "train the largest elements, not the smallest",
    },
    {
      field: "savePrecomputedIndices",
      flag: "save-precomputed-indices",
      type: "oneOf",
      values: [true, false],
      help: "save the positions with the adapter",
    },
    initWeightsOption(),
  ],
  kinds: ["linear"],
  defaultTargets: attentionTargets,
  swappable: { fields: ["initWeights"] },
  createLayer: async (context) => {
    const count = trainedElements(context);
    return new SupertuningLinear(context, await positionsOf(context, count));
  },
});
