import { currentBackend, embedding, keep, rope, ropeTables, type Tensor } from "@lowrank/core";
import { plainFrequencies } from "./rope/ropeKind.ts";
import { ropeKindOf } from "./rope/ropeKinds.ts";
import { type RopeConfig, ropeReach, rotaryDimOf } from "./ropeConfig.ts";

/**
 * Sequence length, in tokens, for which the frequencies of short sequences are computed. One token is short for every
 * kind of scaling.
 */
const oneToken = 1;

/**
 * Returns the rotary frequencies for `dim` elements of a head, one per pair of elements, in radians per position.
 * `length` is the sequence length, on which some scalings depend. Each step rounds to f32 as in transformers: an error
 * of one ulp in a frequency would rotate token 1000 by an additional 6e-5 radians.
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
 * Returns two limits for the sequence length, in tokens. Up to `sharedPositions`, the frequencies do not depend on the
 * length, so sequences can share a packed row or a paged batch. Up to `cachedPositions`, cached keys stay valid.
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

/** Positions of tokens that the caller set with `positionIds`. */
export interface GivenPositions {
  /** The positions, i32 [B, T]. */
  readonly ids: Tensor;
  /** The largest value in `ids`; null if the caller did not give it. */
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
   * Returns a function that rotates x [B, T, H, d] by the position of each token, where T is `tokens`. The position is
   * `offset` + the token's index, or is read from `given`. `several` is true if sequences share a packed row or a paged
   * batch. If the frequencies depend on the sequence length, throws if the largest given position is unknown. Also
   * throws if `several` is true and the batch needs the frequencies of long sequences.
   */
  at(tokens: number, offset: number, given: GivenPositions | null, several = false): (x: Tensor) => Tensor {
    const { cos, sin } = this.#upTo(given ? this.#reach(given) : offset + tokens, several);
    if (!given) return (x) => rope(x, cos, sin, { offset });
    const [c, s] = [embedding(cos, given.ids), embedding(sin, given.ids)];
    return (x) => rope(x, c, s, {});
  }

  /**
   * Returns the number of positions that the cos and sin tables must cover. Uses `largest`, because reading the
   * positions from the device would be slow.
   */
  #reach({ largest }: GivenPositions): number {
    if (largest !== null) return largest + 1;
    const { scaling } = this.#config;
    if (lengthFor(scaling, this.#maxPositions) === lengthFor(scaling, oneToken)) return this.#maxPositions;
    throw new Error(
      `forward: RoPE scaling of type "${scaling?.type}" depends on the largest position; give maxPosition, the largest value of positionIds`,
    );
  }

  #upTo(positions: number, several: boolean): { cos: Tensor; sin: Tensor } {
    const { scaling } = this.#config;
    const length = lengthFor(scaling, positions);
    if (several && length !== lengthFor(scaling, oneToken)) {
      throw new Error(
        `RoPE scaling of type "${scaling?.type}" depends on the length of a text if it has more than ${lengthFor(scaling, oneToken)} tokens, but this batch has several texts and ${positions} positions; give shorter texts, or one text per batch`,
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
