import { currentBackend, embedding, keep, rope, ropeTables, type Tensor } from "@lowrank/core";
import { type RopeConfig, rotaryDimOf } from "./config/ropeConfig.ts";
import { plainFrequencies } from "./rope/plainFrequencies.ts";
import { ropeKindOf } from "./rope/ropeKinds.ts";

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

/** Rotates queries and keys by position; its tables grow as longer sequences come. */
export class RotaryEmbedding {
  readonly #config: RopeConfig;
  readonly #dim: number;
  #tables: { cos: Tensor; sin: Tensor; length: number } | undefined;

  constructor(config: RopeConfig, headDim: number) {
    this.#config = config;
    this.#dim = rotaryDimOf(config, headDim);
  }

  /**
   * A function that rotates x [B, T, H, d] whose tokens stand at `offset` + index, or at
   * `positionIds` [B, T]. Throws for `several` texts in a row or a batch of pages, where a scaling
   * goes by the length of each.
   */
  at(tokens: number, offset: number, positionIds: Tensor | null, several = false): (x: Tensor) => Tensor {
    const { cos, sin } = this.#upTo(offset + tokens, several);
    if (!positionIds) return (x) => rope(x, cos, sin, { offset });
    const [c, s] = [embedding(cos, positionIds), embedding(sin, positionIds)];
    return (x) => rope(x, c, s, {});
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
