import { currentBackend, embedding, keep, rope, ropeTables, type Tensor } from "@lowrank/core";
import { plainFrequencies } from "./rope/plainFrequencies.ts";
import { ropeKindOf } from "./rope/ropeKinds.ts";
import { type RopeConfig, ropeReach, rotaryDimOf } from "./ropeConfig.ts";

/**
 * Frequencies of `dim` turning numbers of a head, with the config's scaling for texts of `length`
 * tokens: one per pair, in radians per position. Each step rounds to f32 as transformers' does: one
 * ulp of a frequency turns token 1000 by 6e-5.
 */
export function inverseFrequencies(
  { theta, scaling }: Pick<RopeConfig, "theta" | "scaling">,
  dim: number,
  length = 1,
): Float32Array {
  return scaling
    ? ropeKindOf(scaling).frequencies(theta, dim, scaling, lengthFor(scaling, length))
    : plainFrequencies(theta, dim);
}

function lengthFor(scaling: RopeConfig["scaling"], length: number): number {
  return (scaling && ropeKindOf(scaling).lengthFor?.(scaling, length)) ?? 1;
}

/**
 * The most tokens of a text among others in a batch, and of one whose cache may grow: within these,
 * the length of a text turns nothing.
 */
export function ropePositions(
  { scaling }: RopeConfig,
  maxPositions: number,
): { sharedPositions: number; cachedPositions: number } {
  const settled = lengthFor(scaling, 1);
  const sharedPositions = lengthFor(scaling, maxPositions) === settled ? maxPositions : settled;
  const rebuilds = scaling !== null && ropeKindOf(scaling).rebuilds === true;
  return { sharedPositions, cachedPositions: rebuilds ? sharedPositions : maxPositions };
}

/** The positions of tokens that are given as a tensor. */
export interface GivenPositions {
  /** i32 [B, T]. */
  readonly ids: Tensor;
  /** The largest of `ids`; null if the caller did not pass it. */
  readonly largest: number | null;
}

/** Rotates queries and keys by position; its tables grow as longer sequences come. */
export class RotaryEmbedding {
  readonly #config: RopeConfig;
  readonly #dim: number;
  /** The most positions of a text. */
  readonly #maxPositions: number;
  #tables: { cos: Tensor; sin: Tensor; length: number } | undefined;

  constructor(config: RopeConfig, headDim: number, maxPositionEmbeddings: number) {
    this.#config = config;
    this.#maxPositions = ropeReach(config, maxPositionEmbeddings);
    this.#dim = rotaryDimOf(config, headDim);
  }

  /**
   * Returns a function that rotates x [B, T, H, d], whose tokens are at `offset` + index or at
   * given positions. Throws for `several` texts in a row or a batch of pages if a scaling depends on
   * the length of each, and for given positions without the largest one if a scaling depends on it.
   */
  at(tokens: number, offset: number, given: GivenPositions | null, several = false): (x: Tensor) => Tensor {
    const { cos, sin } = this.#upTo(given ? this.#reach(given) : offset + tokens, several);
    if (!given) return (x) => rope(x, cos, sin, { offset });
    const [c, s] = [embedding(cos, given.ids), embedding(sin, given.ids)];
    return (x) => rope(x, c, s, {});
  }

  /** Counts the positions up to the largest given one, which is never read from the tensor. */
  #reach({ largest }: GivenPositions): number {
    if (largest !== null) return largest + 1;
    const { scaling } = this.#config;
    if (lengthFor(scaling, this.#maxPositions) === lengthFor(scaling, 1)) return this.#maxPositions;
    throw new Error(
      `forward: rotary embedding of type "${scaling?.type}" goes by the largest position; give maxPosition, the largest of positionIds, with them`,
    );
  }

  #upTo(positions: number, several: boolean): { cos: Tensor; sin: Tensor } {
    const { scaling } = this.#config;
    const length = lengthFor(scaling, positions);
    if (several && length !== lengthFor(scaling, 1)) {
      throw new Error(
        `rotary embedding of type "${scaling?.type}" goes by a text's length beyond ${lengthFor(scaling, 1)} tokens, and several texts stand in these ${positions}; give them shorter ones, or each its own batch`,
      );
    }
    const held = this.#tables;
    const fits = held && held.length === length && held.cos.shape[0] >= positions;
    if (!fits || held.cos.storage.backend !== currentBackend()) {
      const frequencies = inverseFrequencies(this.#config, this.#dim, length);
      const rows = 2 ** Math.ceil(Math.log2(Math.max(64, positions)));
      const { cos, sin } = ropeTables(
        frequencies,
        rows,
        (scaling && ropeKindOf(scaling).attentionFactor?.(scaling)) ?? 1,
      );
      held?.cos.dispose();
      held?.sin.dispose();
      this.#tables = { cos: keep(cos), sin: keep(sin), length };
    }
    return this.#tables!;
  }
}
