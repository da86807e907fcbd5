import { currentBackend, embedding, keep, rope, ropeTables, type Tensor } from "@lowrank/core";
import { plainFrequencies } from "./rope/ropeKind.ts";
import { ropeKindOf } from "./rope/ropeKinds.ts";
import { type RopeConfig, ropeReach, rotaryDimOf } from "./ropeConfig.ts";

/** A sequence length at which every scaling uses its frequencies for short sequences. */
const oneToken = 1;

/**
 * Returns the rotary frequencies for `dim` elements of a head, one per pair, in radians per position. `length` is the
 * sequence length, which some scalings depend on. Each step rounds to f32 as in transformers, since an error of one ulp
 * in a frequency rotates token 1000 by 6e-5.
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
 * Returns two sequence lengths. Up to `sharedPositions` tokens, frequencies do not depend on the length, so sequences
 * can share a row or a paged batch. Up to `cachedPositions` tokens, cached keys stay valid.
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
   * Returns a function that rotates x [B, T, H, d] by the position of each token: `offset` + index, or the `given`
   * position. `several` is true if sequences share a row or a paged batch. If the frequencies depend on the sequence
   * length, throws if such sequences are long, or if the largest given position is unknown.
   */
  at(tokens: number, offset: number, given: GivenPositions | null, several = false): (x: Tensor) => Tensor {
    const { cos, sin } = this.#upTo(given ? this.#reach(given) : offset + tokens, several);
    if (!given) return (x) => rope(x, cos, sin, { offset });
    const [c, s] = [embedding(cos, given.ids), embedding(sin, given.ids)];
    return (x) => rope(x, c, s, {});
  }

  /**
   * Returns how many positions the cos and sin tables must cover. Uses `largest`, since reading the tensor of positions
   * would be slow.
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
        `RoPE scaling of type "${scaling?.type}" depends on the length of a text of more than ${lengthFor(scaling, oneToken)} tokens, but this batch has several texts and ${positions} positions; give shorter texts, or one text per batch`,
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
