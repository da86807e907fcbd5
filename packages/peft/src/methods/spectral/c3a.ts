import { add, affine, indexSelect, linear, OptionError, scope, type Tensor, tensor } from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { names, patternValue } from "../../targets/pattern.ts";
import { biasOption, initWeightsOption, modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { type Draw, drawn, draws } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { C3AConfig, c3aFormat } from "./c3aConfig.ts";

/** The modules that C3A adapts by default, by `model_type`. */
const c3aTargets: Readonly<Record<string, readonly string[]>> = {
  ...attentionTargets,
  gpt2: names("mlp.c_proj"),
  gpt_bigcode: names("mlp.c_proj"),
};

/** Returns the layer's block size. Throws if it does not divide the layer's sizes. */
function blockSizeOf({ config, base, path }: LayerContext<C3AConfig>): number {
  const { inFeatures, outFeatures } = base as Linear;
  const size = patternValue(config.blockSizePattern, path, config.blockSize);
  if (inFeatures % size === 0 && outFeatures % size === 0) return size;
  throw new OptionError("", "blockSize", size, (named) => {
    const option = `${named("blockSize")} ${size}`;
    return `${path} is [${outFeatures},${inFeatures}]: ${option} must divide both sizes; choose another value, or leave the layer out`;
  });
}

/** Returns the function that draws initial values. */
function startOf(context: LayerContext<C3AConfig>): Draw {
  const { inFeatures, outFeatures } = context.base as Linear;
  const { zero, uniform, normal } = draws(context);
  switch (context.config.initWeights) {
    case true:
      return zero;
    case "gaussian":
      return normal(1);
    case "kaiming_uniform":
      return uniform(1 / Math.sqrt(inFeatures));
    default:
      return uniform(Math.sqrt(6 / (inFeatures + outFeatures)));
  }
}

/**
 * C3A on a linear layer. The weight's update consists of circulant blocks [b, b], divided by the number of inputs. A
 * block trains its first row w [b]; each other row is the row above, shifted by one: entry (j, i) is w[(i - j) mod b].
 */
class C3ALinear implements LayerAdapter {
  readonly parameters: { readonly c3a_kernel: Parameter };
  readonly constants: readonly Tensor[];
  /** For each entry of a block, row by row, the index of its value in the first row: i32 [b b]. */
  readonly #places: Tensor;
  readonly #scale: number;

  constructor(context: LayerContext<C3AConfig>) {
    const { inFeatures, outFeatures } = context.base as Linear;
    const b = blockSizeOf(context);
    const kernel = drawn(startOf(context), [outFeatures / b, inFeatures / b, b]);
    this.parameters = { c3a_kernel: kernel };
    const places = Int32Array.from({ length: b * b }, (_, k) => ((k % b) - Math.floor(k / b) + b) % b);
    this.#places = tensor(places, { backend: kernel.storage.backend });
    this.constants = [this.#places];
    this.#scale = 1 / inFeatures;
  }

  /** Returns the update that is added to a weight [out, in]. */
  #delta(): Tensor {
    const { c3a_kernel: kernel } = this.parameters;
    const [rows, columns, b] = kernel.shape;
    return indexSelect(affine(kernel, { scale: this.#scale }), this.#places, { dim: 2 })
      .reshape([rows, columns, b, b])
      .permute([0, 2, 1, 3])
      .reshape([rows * b, columns * b]);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    return linear(x, this.#delta());
  }

  merge(base: DenseLayer): DenseLayer {
    return mapWeight(base, (weight) => add(weight, this.#delta()));
  }
}

/** C3A: an update of circulant blocks. Chen et al. 2024, https://arxiv.org/abs/2407.19342 */
export const c3a: PeftMethod<C3AConfig> = definePeftMethod({
  peftType: "C3A",
  sizes: ["blockSize", "blockSizePattern"],
  Config: C3AConfig,
  format: c3aFormat,
  recipes: [
    {
      name: "c3a",
      title: "C3A",
      learningRate: 0.1,
      usualLearningRate: 0.3,
      sizeOption: "c3a-block-size",
      // PEFT's default, 256, does not divide the sizes of most small models.
      config: ({ targetModules }) => new C3AConfig({ targetModules, blockSize: 32 }),
    },
  ],
  options: [
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "blockSize",
      flag: "c3a-block-size",
      type: "integer",
      least: 1,
      help: "size of a circulant block",
    },
    initWeightsOption([true, false, "gaussian", "kaiming_uniform", "xavier_uniform"]),
  ],
  kinds: ["linear"],
  defaultTargets: c3aTargets,
  bias: ({ bias }) => biasMode(bias),
  patterns: ({ blockSizePattern }) => ({ blockSizePattern }),
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new C3ALinear(context),
});
