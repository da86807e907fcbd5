import { add, indexSelect, linear, matmul, pad, scope, sum, type Tensor, tensor } from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
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
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { MissConfig, missFormat } from "./missConfig.ts";

/** Throws if a layer's input or output size does not suit `r`, `miniR` or `initWeights`. */
function check({ config, base, path }: LayerContext<MissConfig>): void {
  const { r, miniR, initWeights } = config;
  const { inFeatures, outFeatures } = base as Linear;
  const fail = (what: string) => {
    throw new Error(`${path} is [${outFeatures},${inFeatures}]: ${what}; choose another value, or leave the layer out`);
  };
  if (r > inFeatures) fail(`r ${r} must be at most its ${inFeatures} inputs`);
  if (initWeights === "bat" && (inFeatures % r !== 0 || outFeatures % r !== 0))
    fail(`r ${r} must divide both sizes if initWeights is "bat"`);
  if (initWeights === "mini" && outFeatures % miniR !== 0)
    fail(`miniR ${miniR} must divide its ${outFeatures} outputs`);
}

/**
 * MiSS on a linear layer. Adds s D to the output. The vector s [r] contains sums of inputs: s[j] = x[j] + x[j + r] +
 * x[j + 2r] + .... The trained D is [r, out], or [r, miniR], which is repeated to cover all outputs.
 */
class MissLinear implements LayerAdapter {
  readonly parameters: { readonly miss_block: Parameter };
  readonly modules: Record<string, Module>;
  readonly constants: readonly Tensor[];
  readonly #dropout: Dropout;
  readonly #outFeatures: number;
  /** For each input i, the index of the row of D that it is multiplied by: i mod r. Used for merging. */
  readonly #rows: Tensor;

  constructor(context: LayerContext<MissConfig>) {
    check(context);
    const { config } = context;
    const { inFeatures, outFeatures } = context.base as Linear;
    const { zero, uniform } = draws(context);
    const width = config.initWeights === "mini" ? config.miniR : outFeatures;
    // PyTorch's Kaiming bound uses the second dimension.
    const start = config.initWeights ? zero : uniform(1 / Math.sqrt(width));
    this.parameters = { miss_block: drawn(start, [config.r, width]) };
    this.#dropout = layerDropout(context, config.missDropout);
    this.modules = config.missDropout > 0 ? { miss_dropout: this.#dropout } : {};
    this.#outFeatures = outFeatures;
    const rows = Int32Array.from({ length: inFeatures }, (_, i) => i % config.r);
    this.#rows = tensor(rows, { backend: this.parameters.miss_block.storage.backend });
    this.constants = [this.#rows];
  }

  /** Repeats a tensor [..., width] along its last dimension until this dimension has size out. */
  #repeated(t: Tensor): Tensor {
    const lead = t.shape.slice(0, -1);
    const width = t.shape[t.ndim - 1];
    if (width === this.#outFeatures) return t;
    const turns = this.#outFeatures / width;
    return t
      .reshape([...lead, 1, width])
      .expand([...lead, turns, width])
      .reshape([...lead, -1]);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const { miss_block: block } = this.parameters;
    const [r] = block.shape;
    const short = (r - (x.shape[x.ndim - 1] % r)) % r;
    const dropped = this.#dropout.forward(x);
    const whole = short === 0 ? dropped : pad(dropped, [0, short]);
    const sums = sum(whole.reshape([...x.shape.slice(0, -1), -1, r]), { dim: -2 });
    return this.#repeated(matmul(sums, block));
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    const full = this.#repeated(this.parameters.miss_block);
    return { weight: add(weight, indexSelect(full.transpose(0, 1), this.#rows, { dim: 1 })), ...rest };
  }
}

/**
 * MiSS's variant "bat". Each [r, r] block W of the weight becomes W + W D + D. Every group of r outputs has its own
 * trained D [r, r].
 */
class MissBat implements LayerAdapter {
  readonly parameters: { readonly miss_block: Parameter };

  constructor(context: LayerContext<MissConfig>) {
    check(context);
    const { r } = context.config;
    const { zero } = draws(context);
    this.parameters = { miss_block: drawn(zero, [(context.base as Linear).outFeatures / r, r, r]) };
  }

  /** Returns the update that is added to a weight [out, in]. */
  #delta(weight: Tensor): Tensor {
    const { miss_block: block } = this.parameters;
    const [groups, r] = block.shape;
    const product = matmul(weight.reshape([groups, -1, r]), block);
    return add(product.reshape([groups, r, -1, r]), block.reshape([groups, r, 1, r])).reshape(weight.shape);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const { weight, bias } = base as Linear;
    return scope(() => {
      const full = toF32(weight);
      return linear(x, add(full, this.#delta(full)), bias);
    });
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    return { weight: add(weight, this.#delta(weight)), ...rest };
  }
}

/**
 * MiSS: an update in which all blocks of a weight share one small trained matrix. Kang and Yin 2024,
 * https://arxiv.org/abs/2409.15371
 */
export const miss: PeftMethod<MissConfig> = definePeftMethod({
  peftType: "MISS",
  Config: MissConfig,
  format: missFormat,
  recipes: [
    {
      name: "miss",
      title: "MiSS",
      learningRate: 3e-3,
      config: ({ r, targetModules }) => new MissConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("missDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "miniR",
      flag: "mini-r",
      type: "integer",
      least: 1,
      help: "with --init-weights mini, number of outputs after which the values repeat",
    },
    initWeightsOption([true, false, "bat", "mini"]),
  ],
  kinds: ["linear"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => (context.config.initWeights === "bat" ? new MissBat(context) : new MissLinear(context)),
});
