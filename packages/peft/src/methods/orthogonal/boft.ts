import { add, affine, type Generator, indexSelect, linear, mul, scope, sub, type Tensor, tensor } from "@lowrank/core";
import { type Linear, Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import {
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerGenerator } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { BOFTConfig, boftFormat } from "./boftConfig.ts";
import { cayley, identity, rotateBlocks } from "./rotation.ts";

/**
 * Returns the number and size of the blocks into which a layer's inputs are split. Throws if the inputs cannot be split
 * as the butterfly factors require.
 */
function blocks({ config, path }: LayerContext<BOFTConfig>, features: number): { count: number; size: number } {
  const { boftBlockSize, boftBlockNum, boftNButterflyFactor: factor } = config;
  const [key, given] = boftBlockSize === 0 ? ["boftBlockNum", boftBlockNum] : ["boftBlockSize", boftBlockSize];
  const [count, size] = boftBlockSize === 0 ? [given, features / given] : [features / given, given];
  const halvings = 2 ** (factor - 1);
  const fits = features % given === 0 && count % halvings === 0 && (factor === 1 || size % 2 === 0);
  if (fits) return { count, size };
  const more =
    factor === 1
      ? ""
      : `, and boftNButterflyFactor ${factor} needs blocks of an even size and a number of blocks that ${halvings} divides`;
  throw new Error(
    `${path}: ${key} ${given} must divide its ${features} features${more}; choose another ${key}, or leave the layer out`,
  );
}

/**
 * Returns the butterfly permutation of rotation `level`. Element i is the index of the feature that moves to position
 * i. Features are permuted within groups of 2^level consecutive blocks. A group consists of half blocks, counted from
 * 0: those with even indices are moved to the front, followed by the odd ones.
 */
function butterfly(features: number, blockSize: number, level: number): Int32Array {
  const half = blockSize / 2;
  const halvesPerRun = 2 ** (level + 1);
  return Int32Array.from({ length: features }, (_, i) => {
    const run = Math.floor(i / (half * halvesPerRun));
    const place = Math.floor(i / half) % halvesPerRun;
    const from = place < halvesPerRun / 2 ? 2 * place : 2 * place - halvesPerRun + 1;
    return (run * halvesPerRun + from) * half + (i % half);
  });
}

/** Returns the inverse of a permutation. */
function inverse(order: Int32Array): Int32Array {
  const back = new Int32Array(order.length);
  for (const [i, from] of order.entries()) back[from] = i;
  return back;
}

/**
 * During training, replaces some blocks of one randomly chosen rotation by the identity. The input is N rotations with
 * D blocks each, [N, D, size, size].
 */
class MultiplicativeDropout extends Module {
  readonly #p: number;
  readonly generator: Generator;

  constructor(p: number, generator: Generator) {
    super();
    this.#p = p;
    this.generator = generator;
  }

  forward(rotations: Tensor): Tensor {
    const [n, d, size] = rotations.shape;
    const resting = Math.floor(this.#p * d);
    if (!this.training || resting === 0) return rotations;
    const chosen = Int32Array.of(0);
    this.generator.fillInt(chosen, 0, n);
    const mask = new Float32Array(n * d);
    for (const block of this.generator.permutation(d).subarray(0, resting)) mask[chosen[0] * d + block] = 1;
    const rests = tensor(mask, { shape: [n, d, 1, 1], backend: rotations.storage.backend });
    return add(rotations, mul(rests, sub(identity(size, rotations), rotations)));
  }
}

/**
 * BOFT on a linear layer with `features` inputs: applies block-diagonal rotations to the input, one after the other,
 * and multiplies each output by a trained factor. `scaleShape` is the shape of these factors.
 */
class BoftLinear implements LayerAdapter {
  readonly parameters: { readonly boft_R: Parameter; readonly boft_s: Parameter };
  readonly modules: Record<string, Module>;
  readonly constants: readonly Tensor[];
  /**
   * For each rotation, two index tensors. `gather` moves the features of each block next to each other; `back` restores
   * their order. Null for a rotation that needs no permutation.
   */
  readonly #orders: readonly (readonly [gather: Tensor, back: Tensor] | null)[];
  readonly #dropout: MultiplicativeDropout;

  constructor(context: LayerContext<BOFTConfig>, features: number, scaleShape: readonly number[]) {
    const { config } = context;
    const { count, size } = blocks(context, features);
    const { zero, one, normal } = draws(context);
    const n = config.boftNButterflyFactor;
    const scales = config.initWeights ? one : (shape: readonly number[]) => add(normal(0.1)(shape), 1);
    this.parameters = {
      boft_R: drawn(config.initWeights ? zero : normal(0.1), [n, count, size, size]),
      boft_s: drawn(scales, scaleShape),
    };
    const { backend } = this.parameters.boft_R.storage;
    this.#orders = Array.from({ length: n }, (_, level) => {
      if (level === 0) return null;
      const order = butterfly(features, size, level);
      return [tensor(inverse(order), { backend }), tensor(order, { backend })];
    });
    this.constants = this.#orders.flatMap((pair) => pair ?? []);
    this.#dropout = new MultiplicativeDropout(config.boftDropout, layerGenerator(context));
    this.modules = config.boftDropout > 0 ? { boft_dropout: this.#dropout } : {};
  }

  /** Returns the rotation matrices, [N, D, size, size]: N rotations with D blocks each. */
  #rotations(): Tensor {
    const { boft_R: r } = this.parameters;
    const flat = r.reshape([-1, ...r.shape.slice(2)]);
    const skew = affine(sub(flat, flat.transpose(1, 2)), { scale: 0.5 });
    return this.#dropout.forward(cayley(skew).reshape(r.shape));
  }

  /** Multiplies x [..., in] by the rotation with index `level`, or by the rotation's transpose if `back` is true. */
  #rotate(x: Tensor, rotations: Tensor, level: number, back: boolean): Tensor {
    const order = this.#orders[level];
    const dim = x.ndim - 1;
    const blocks = rotations.slice({ dim: 0, start: level, end: level + 1 }).reshape(rotations.shape.slice(1));
    const gathered = order ? indexSelect(x, order[0], { dim }) : x;
    const rotated = rotateBlocks(gathered, back ? blocks.transpose(1, 2) : blocks);
    return order ? indexSelect(rotated, order[1], { dim }) : rotated;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const { weight, bias } = base as Linear;
    return scope(() => {
      const rotations = this.#rotations();
      let rotated = x;
      for (let level = this.#orders.length - 1; level >= 0; level--)
        rotated = this.#rotate(rotated, rotations, level, false);
      const y = mul(linear(rotated, weight), this.parameters.boft_s.reshape([-1]));
      return bias ? add(y, toF32(bias)) : y;
    });
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    const rotations = this.#rotations();
    let rotated = weight;
    for (let level = 0; level < this.#orders.length; level++) rotated = this.#rotate(rotated, rotations, level, true);
    return { weight: mul(rotated, this.parameters.boft_s.reshape([-1, 1])), ...rest };
  }
}

/** BOFT: orthogonal rotations factored into butterflies. Liu et al. 2023, https://arxiv.org/abs/2311.06243 */
export const boft: PeftMethod<BOFTConfig> = definePeftMethod({
  peftType: "BOFT",
  Config: BOFTConfig,
  format: boftFormat,
  recipes: [
    {
      name: "boft",
      title: "BOFT",
      learningRate: 1e-2,
      sizeOption: "boft-block-size",
      config: ({ targetModules }) => new BOFTConfig({ targetModules }),
    },
  ],
  options: [
    dropoutOption("boftDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "boftBlockSize",
      flag: "boft-block-size",
      type: "integer",
      least: 0,
      help: "size of a block; 0 where the next one says it",
    },
    {
      field: "boftBlockNum",
      flag: "boft-block-num",
      type: "integer",
      least: 0,
      help: "number of blocks of a layer; 0 where their size says it",
    },
    {
      field: "boftNButterflyFactor",
      flag: "boft-n-butterfly-factor",
      type: "integer",
      least: 1,
      help: "rotations that follow one another",
    },
    initWeightsOption(),
  ],
  kinds: ["linear", "convolution2d"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  setsFanInFanOut: true,
  swappable: { fields: ["initWeights"] },
  createLayer: async (context) => {
    if (context.kind === "linear") {
      const { inFeatures, outFeatures } = context.base as Linear;
      return new BoftLinear(context, inFeatures, [outFeatures, 1]);
    }
    const { RotatedFilters } = await import("./rotatedFilters.ts");
    return new RotatedFilters(context, "BOFT", ({ channels, elements, filters }) => {
      return new BoftLinear(context, channels * elements, [1, filters]);
    });
  },
});
