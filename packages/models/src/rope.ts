import { embedding, keep, rope, ropeTables, type Tensor } from "@lowrank/core";
import type { RopeConfig } from "./config/ropeConfig.ts";

/** Rotary frequencies of one head size, with the config's scaling: one per pair of entries, in radians per position. */
export function inverseFrequencies({ theta, scaling }: RopeConfig, headDim: number): Float32Array {
  const frequencies = Float32Array.from({ length: headDim / 2 }, (_, i) => 1 / theta ** ((2 * i) / headDim));
  if (!scaling) return frequencies;
  if (scaling.type === "linear") return frequencies.map((f) => f / scaling.factor);
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: original } = scaling;
  return frequencies.map((f) => {
    const turns = (original * f) / (2 * Math.PI);
    const smooth = Math.min(1, Math.max(0, (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor)));
    return ((1 - smooth) * f) / factor + smooth * f;
  });
}

/** Rotates queries and keys by position; its tables grow as longer sequences come. */
export class RotaryEmbedding {
  readonly #frequencies: Float32Array;
  #tables: { cos: Tensor; sin: Tensor } | undefined;

  constructor(config: RopeConfig, headDim: number) {
    this.#frequencies = inverseFrequencies(config, headDim);
  }

  /** A function that rotates x [B, T, H, d] whose tokens stand at `offset` + index, or at `positionIds` [B, T]. */
  at(tokens: number, offset: number, positionIds: Tensor | null): (x: Tensor) => Tensor {
    const { cos, sin } = this.#upTo(offset + tokens);
    if (!positionIds) return (x) => rope(x, cos, sin, { offset });
    const [c, s] = [embedding(cos, positionIds), embedding(sin, positionIds)];
    return (x) => rope(x, c, s, {});
  }

  #upTo(positions: number): { cos: Tensor; sin: Tensor } {
    if (!this.#tables || this.#tables.cos.shape[0] < positions) {
      const { cos, sin } = ropeTables(this.#frequencies, 2 ** Math.ceil(Math.log2(Math.max(64, positions))));
      this.#tables?.cos.dispose();
      this.#tables?.sin.dispose();
      this.#tables = { cos: keep(cos), sin: keep(sin) };
    }
    return this.#tables;
  }
}
