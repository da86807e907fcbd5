import { type Generator, type Tensor, tensor } from "@lowrank/core";
import { type Linear, Module } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import { patternValue } from "../../targets/pattern.ts";
import { type Draw, draws, layerGenerator } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import type { LycorisOptions } from "./lycorisConfig.ts";

type Shared = PeftConfig & Required<Pick<LycorisOptions, "r" | "alpha" | "rankPattern" | "alphaPattern">>;

/** Returns the rank of the layer at `path`, and the scaling of the matrix added to its weight. */
export function lycorisRank(config: Shared, path: string): { r: number; scaling: number } {
  const r = patternValue(config.rankPattern, path, config.r);
  return { r, scaling: patternValue(config.alphaPattern, path, config.alpha) / r };
}

/**
 * Returns PyTorch's default initialiser of a matrix, with a bound from its number of columns. It is zero if values will
 * be read from a file.
 */
export function lycorisDraws(context: LayerContext<PeftConfig>): { zero: Draw; usual: Draw } {
  const { zero, uniform } = draws(context);
  return { zero, usual: context.loading ? zero : (shape) => uniform(1 / Math.sqrt(shape[1]))(shape) };
}

/** The dropout of LoHa and LoKr during training: of outputs, and of the whole adapter of a layer. */
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

  /** Returns true if the whole adapter is skipped in this call. */
  skips(): boolean {
    return this.training && this.#module > 0 && this.#draw(1)[0] <= this.#module;
  }

  /**
   * Returns the factors of the update's outputs, [out]: ones and zeros, divided by their mean if `scaled`. Null without
   * dropout.
   */
  mask({ outFeatures, weight }: Linear, scaled: boolean): Tensor | null {
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
