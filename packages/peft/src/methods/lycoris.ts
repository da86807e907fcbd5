import { type Generator, type Tensor, tensor } from "@lowrank/core";
import { type Linear, Module } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import { patternValue } from "../targets/pattern.ts";
import { type Draw, draws, layerGenerator } from "./draws.ts";
import type { LycorisOptions } from "./lycorisConfig.ts";
import type { LayerContext } from "./method.ts";

type Shared = PeftConfig & Required<Pick<LycorisOptions, "r" | "alpha" | "rankPattern" | "alphaPattern">>;

/** The rank of the layer at `path`, and the factor of what is added to its weight. */
export function lycorisRank(config: Shared, path: string): { r: number; scaling: number } {
  const r = patternValue(config.rankPattern, path, config.r);
  return { r, scaling: patternValue(config.alphaPattern, path, config.alpha) / r };
}

/** PyTorch's usual start of a matrix, from the numbers in its rows; zero where values will be read from a file. */
export function lycorisDraws(context: LayerContext<PeftConfig>): { zero: Draw; usual: Draw } {
  const { zero, uniform } = draws(context);
  return { zero, usual: context.loading ? zero : (shape) => uniform(1 / Math.sqrt(shape[1]))(shape) };
}

/** What LoHa and LoKr leave out at random while they train. */
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

  /** Whether nothing is ever left out. */
  get never(): boolean {
    return this.#rank === 0 && this.#module === 0;
  }

  /** Whether the adapter is left out this time. */
  skips(): boolean {
    return this.training && this.#module > 0 && this.#draw(1)[0] <= this.#module;
  }

  /** What the added output [out] is multiplied by: ones and zeros, over their mean if `scaled`; null for nothing. */
  mask({ outFeatures, weight }: Linear, scaled: boolean): Tensor | null {
    if (!this.training || this.#rank === 0) return null;
    const kept = this.#draw(outFeatures).map((x) => (x > this.#rank ? 1 : 0));
    const count = kept.reduce((all, one) => all + one, 0);
    const factor = scaled && count > 0 ? outFeatures / count : 1;
    return tensor(
      kept.map((one) => one * factor),
      { shape: [outFeatures], backend: weight.storage.backend },
    );
  }

  #draw(n: number): Float32Array {
    const values = new Float32Array(n);
    this.generator.fillUniform(values);
    return values;
  }
}
