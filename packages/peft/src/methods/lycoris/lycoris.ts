import { type Generator, type Tensor, tensor } from "@lowrank/core";
import { type Linear, Module } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import { patternValue } from "../../targets/pattern.ts";
import { byChannel, type Convolution, sizesOf } from "../shared/convolution.ts";
import { type Draw, draws, layerGenerator } from "../shared/draws.ts";
import type { FilterUpdateParts } from "../shared/filterUpdate.ts";
import type { LayerContext } from "../shared/method.ts";
import type { LycorisOptions } from "./lycorisConfig.ts";

type Shared = PeftConfig & Required<Pick<LycorisOptions, "r" | "alpha" | "rankPattern" | "alphaPattern">>;

/** Returns the rank of the layer at `path`, and alpha / r, by which the update is multiplied. */
export function lycorisRank(config: Shared, path: string): { r: number; scaling: number } {
  const r = patternValue(config.rankPattern, path, config.r);
  return { r, scaling: patternValue(config.alphaPattern, path, config.alpha) / r };
}

/**
 * Returns two initialisers: `zero`, and `usual`, PyTorch's default (uniform with bound 1 / √n, where n is the number
 * of elements of a row). If the values will be read from a file, both create zeros.
 */
export function lycorisDraws(context: LayerContext<PeftConfig>): { zero: Draw; usual: Draw } {
  const { zero, uniform } = draws(context);
  return { zero, usual: context.loading ? zero : (shape) => uniform(1 / Math.sqrt(elementsOfRow(shape)))(shape) };
}

function elementsOfRow([, ...row]: readonly number[]): number {
  return row.reduce((a, b) => a * b, 1);
}

/** Returns true with `useEffectiveConv2d` on filters of several elements, whose update is factored into tensors. */
export function usesTensors({ base, config }: LayerContext<PeftConfig & { useEffectiveConv2d: boolean }>): boolean {
  return config.useEffectiveConv2d && sizesOf(base).elements > 1;
}

/**
 * Returns the parts of a `FilterUpdate` for LoHa's and LoKr's dropout. `name` is the name of the dropout in the model.
 * `scaled` divides by the fraction of kept outputs.
 */
export function filterDropout(
  context: ConstructorParameters<typeof LycorisDropout>[0],
  name: string,
  scaled: boolean,
): Pick<FilterUpdateParts, "modules" | "dropped" | "steady"> {
  const dropout = new LycorisDropout(context);
  const sizes = sizesOf(context.base);
  const { weight } = context.base as Convolution;
  return {
    modules: dropout.never ? {} : { [name]: dropout },
    steady: dropout.never,
    dropped: () => {
      if (dropout.skips()) return "skip";
      const mask = dropout.mask({ outFeatures: sizes.filters, weight }, scaled);
      return mask && byChannel(mask, sizes);
    },
  };
}

/**
 * LoHa's and LoKr's dropout during training. `mask` drops single outputs of the update; `skips` drops a layer's whole
 * adapter.
 */
export class LycorisDropout extends Module {
  readonly generator: Generator;
  readonly #rank: number;
  readonly #module: number;

  constructor(context: LayerContext<PeftConfig & Required<Pick<LycorisOptions, "rankDropout" | "moduleDropout">>>) {
    super();
    this.generator = layerGenerator(context);
    this.#rank = context.config.rankDropout;
    this.#module = context.config.moduleDropout;
  }

  /** True if both dropout probabilities are 0. */
  get never(): boolean {
    return this.#rank === 0 && this.#module === 0;
  }

  /** Draws whether to skip the layer's whole adapter in this call. Always false outside of training. */
  skips(): boolean {
    return this.training && this.#module > 0 && this.#draw(1)[0] <= this.#module;
  }

  /**
   * Draws a factor for each output of the update, [out]: 1 for kept outputs, 0 for dropped ones. If `scaled`, divides
   * by the fraction of kept outputs. Null if there is no rank dropout.
   */
  mask({ outFeatures, weight }: Pick<Linear, "outFeatures" | "weight">, scaled: boolean): Tensor | null {
    if (!this.training || this.#rank === 0) return null;
    const mask = this.#draw(outFeatures).map((x) => (x > this.#rank ? 1 : 0));
    const count = mask.reduce((all, one) => all + one, 0);
    const factor = scaled && count > 0 ? outFeatures / count : 1;
    return tensor(
      mask.map((one) => one * factor),
      { shape: [outFeatures], backend: weight.storage.backend },
    );
  }

  #draw(n: number): Float32Array {
    const values = new Float32Array(n);
    this.generator.fillUniform(values);
    return values;
  }
}
