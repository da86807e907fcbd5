import {
  add,
  affine,
  copyInto,
  indexAdd,
  linear,
  noGrad,
  OptionError,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { queryAndValue } from "../../targets/pattern.ts";
import { initWeightsOption, modulesToSaveOption, rankOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod, type SharedTensors } from "../shared/method.ts";
import { ShiraConfig, shiraFormat } from "./shiraConfig.ts";

/** The modules that SHiRA adapts by default, by `model_type`. */
const shiraTargets: Readonly<Record<string, readonly string[]>> = { ...attentionTargets, phi: queryAndValue };

/** The seed of `torch.Generator()`, with which PEFT draws the positions if the configuration has no seed. */
const torchSeed = 67280421310721;

interface Positions extends SharedTensors {
  /** The positions in weights [out, in], row by row. PEFT draws the same ones for all layers of the same size. */
  drawn: Map<string, Int32Array>;
}

/**
 * SHiRA on a linear layer. Trains the changes of n = r (in + out) weights; the other weights stay as they are. The file
 * contains the trained changes, [n], and the row and column of each, [2, n], in the order of the rows.
 */
class ShiraLinear implements LayerAdapter {
  readonly parameters: { readonly shira_weight: Parameter };
  readonly buffers: { readonly shira_indices: Tensor };
  readonly constants: readonly Tensor[];
  scaling = 1;
  /** Positions in the weight as one row of out · in values, [n]. */
  readonly #positions: Tensor;
  readonly #shape: readonly [out: number, inputs: number];
  readonly #path: string;

  constructor(context: LayerContext<ShiraConfig>) {
    const { config, path, backend, loading, shared } = context;
    const { inFeatures, outFeatures } = context.base as Linear;
    const size = inFeatures * outFeatures;
    const n = config.r * (inFeatures + outFeatures);
    if (n > size) {
      throw new OptionError("", "r", config.r, (named) => {
        const most = Math.floor(size / (inFeatures + outFeatures));
        const shape = `[${outFeatures},${inFeatures}]`;
        return `${path} is ${shape}: ${named("r")} ${config.r} must be at most ${most}, since r (in + out) weights are trained; choose another value, or leave the layer out`;
      });
    }
    if (!loading && config.maskType !== "random") {
      throw new OptionError("", "maskType", config.maskType, (named) => {
        return `${named("maskType")} is ${JSON.stringify(config.maskType)}; it must be "random" for a new adapter, since Lowrank calls no mask function; an adapter that PEFT saved with such a mask can be loaded`;
      });
    }
    const { zero, normal } = draws(context);
    this.#path = path;
    this.#shape = [outFeatures, inFeatures];
    this.parameters = { shira_weight: drawn(config.initWeights ? zero : normal(1), [n]) };
    const blank = loading || backend.dataless;
    const positions = blank ? new Int32Array(n) : this.#draw(shared as Positions, config.randomSeed ?? torchSeed, n);
    const rowsAndColumns = new Int32Array(2 * n);
    for (const [i, position] of positions.entries()) {
      rowsAndColumns[i] = Math.floor(position / inFeatures);
      rowsAndColumns[n + i] = position % inFeatures;
    }
    this.buffers = { shira_indices: tensor(rowsAndColumns, { shape: [2, n], backend }) };
    this.#positions = tensor(positions, { backend });
    this.constants = [this.#positions];
  }

  #draw({ drawn }: Positions, seed: number, n: number): Int32Array {
    const [out, inputs] = this.#shape;
    const key = `${out},${inputs}`;
    const found = drawn.get(key) ?? new TorchGenerator(seed).randperm(out * inputs, n).sort();
    drawn.set(key, found);
    return found;
  }

  async valuesRead(): Promise<void> {
    const [out, inputs] = this.#shape;
    const indices = await this.buffers.shira_indices.data();
    const n = indices.length / 2;
    const positions = Int32Array.from({ length: n }, (_, i) => {
      const [row, column] = [Number(indices[i]), Number(indices[n + i])];
      if (row >= 0 && row < out && column >= 0 && column < inputs) return row * inputs + column;
      throw new Error(
        `${this.#path}.shira_indices has row ${row} and column ${column}, but the weight is [${out},${inputs}]; the file is damaged or belongs to another model`,
      );
    });
    noGrad(() =>
      scope(() => copyInto(this.#positions, tensor(positions, { backend: this.#positions.storage.backend }))),
    );
  }

  /** Returns the update of the weight, [out, in]. */
  #update(): Tensor {
    const { shira_weight: weight } = this.parameters;
    const [out, inputs] = this.#shape;
    const scaled = this.scaling === 1 ? weight : affine(weight, { scale: this.scaling });
    const start = zeros([out * inputs], { backend: weight.storage.backend });
    return indexAdd(start, this.#positions, scaled, { dim: 0 }).reshape([out, inputs]);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const { weight, bias, isExact } = base as Linear;
    return scope(() => {
      const update = this.#update();
      return isExact ? linear(x, add(toF32(weight), update), bias) : add(base.forward(x), linear(x, update));
    });
  }

  merge(base: DenseLayer): DenseLayer {
    return mapWeight(base, (weight) => add(weight, this.#update()));
  }
}

/** SHiRA: trains a few weights of each layer. Bhardwaj et al. 2024, https://arxiv.org/abs/2406.13175 */
export const shira: PeftMethod<ShiraConfig> = definePeftMethod({
  peftType: "SHIRA",
  Config: ShiraConfig,
  format: shiraFormat,
  recipes: [
    {
      name: "shira",
      title: "SHiRA",
      learningRate: 3e-3,
      // The rate of PEFT's comparison of methods.
      usualLearningRate: 3e-4,
      config: ({ r, targetModules }) => new ShiraConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    targetsOption,
    modulesToSaveOption,
    { field: "randomSeed", flag: "random-seed", type: "integer", help: "seed of the positions of trained weights" },
    initWeightsOption(),
  ],
  kinds: ["linear"],
  defaultTargets: shiraTargets,
  createShared: (): Positions => ({ drawn: new Map() }),
  setsFanInFanOut: true,
  // Files contain the positions.
  swappable: { fields: ["initWeights", "maskType", "randomSeed"] },
  createLayer: (context) => new ShiraLinear(context),
});
