import { currentBackend, embedding, keep, rope, ropeTables, type Tensor } from "@lowrank/core";
import { plainFrequencies } from "./rope/plainFrequencies.ts";
import { ropeKindOf } from "./rope/ropeKinds.ts";
import { type RopeConfig, ropeReach, rotaryDimOf } from "./ropeConfig.ts";

/** A length for which no scaling changes the frequencies. */
const oneToken = 1;

/**
 * Returns the rotary frequencies of `dim` elements of a head, one per pair, in radians per position. `length` is the
 * sequence length for scalings that depend on it. Each step rounds to f32 as in transformers, since a difference of one
 * ulp in a frequency rotates token 1000 by 6e-5.
 */
export function inverseFrequencies(
  { theta, scaling }: Pick<RopeConfig, "theta" | "scaling">,
  dim: number,
  length: number = oneToken,
): Float32Array {
  return scaling
    ? ropeKindOf(scaling).frequencies(theta, dim, scaling, lengthFor(scaling, length))
    : plainFrequencies(theta, dim);
}

function lengthFor(scaling: RopeConfig["scaling"], length: number): number {
  return (scaling && ropeKindOf(scaling).lengthFor?.(scaling, length)) ?? oneToken;
}

/**
 * Returns two limits of the sequence length. Sequences in a shared batch or paged cache may have `sharedPositions`
 * tokens; up to there, frequencies do not depend on the length. Cached keys stay valid up to `cachedPositions` tokens.
 */
export function ropePositions(
  { scaling }: RopeConfig,
  maxPositions: number,
): { sharedPositions: number; cachedPositions: number } {
  const settled = lengthFor(scaling, oneToken);
  const sharedPositions = lengthFor(scaling, maxPositions) === settled ? maxPositions : settled;
  const rebuilds = scaling !== null && ropeKindOf(scaling).rebuilds === true;
  return { sharedPositions, cachedPositions: rebuilds ? sharedPositions : maxPositions };
}

/** Token positions that are given as a tensor. */
export interface GivenPositions {
  /** i32 [B, T]. */
  readonly ids: Tensor;
  /** The largest value in `ids`; null if the caller did not specify it. */
  readonly largest: number | null;
}

/** Rotates queries and keys by position. The cos and sin tables grow with the sequence length. */
export class RotaryEmbedding {
  readonly #config: RopeConfig;
  readonly #dim: number;
  /** Maximum number of positions of a sequence. */
  readonly #maxPositions: number;
  #tables: { cos: Tensor; sin: Tensor; length: number } | undefined;

  constructor(config: RopeConfig, headDim: number, maxPositionEmbeddings: number) {
    this.#config = config;
    this.#maxPositions = ropeReach(config, maxPositionEmbeddings);
    this.#dim = rotaryDimOf(config, headDim);
  }

  /**
   * Returns a function that rotates x [B, T, H, d] by position: `offset` + index, or the given positions. For scalings
   * that depend on the sequence length, throws in two cases: for `several` long sequences in a row or in a paged batch,
   * and for given positions without the largest one.
   */
  at(tokens: number, offset: number, given: GivenPositions | null, several = false): (x: Tensor) => Tensor {
    const { cos, sin } = this.#upTo(given ? this.#reach(given) : offset + tokens, several);
    if (!given) return (x) => rope(x, cos, sin, { offset });
    const [c, s] = [embedding(cos, given.ids), embedding(sin, given.ids)];
    return (x) => rope(x, c, s, {});
  }

  /**
   * Returns the number of positions that the tables must cover. The largest given position is not read from the tensor.
   */
  #reach({ largest }: GivenPositions): number {
    if (largest !== null) return largest + 1;
    const { scaling } = this.#config;
    if (lengthFor(scaling, this.#maxPositions) === lengthFor(scaling, oneToken)) return this.#maxPositions;
    throw new Error(
      `forward: rotary embedding of type "${scaling?.type}" depends on the largest position; give maxPosition, the largest of positionIds`,
    );
  }

  #upTo(positions: number, several: boolean): { cos: Tensor; sin: Tensor } {
    const { scaling } = this.#config;
    const length = lengthFor(scaling, positions);
    if (several && length !== lengthFor(scaling, oneToken)) {
      throw new Error(
        `rotary embedding of type "${scaling?.type}" depends on a text's length beyond ${lengthFor(scaling, oneToken)} tokens, and several texts share these ${positions}; give shorter texts, or one text a batch`,
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
