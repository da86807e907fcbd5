import { currentBackend, embedding, keep, rope, ropeTables, type Tensor } from "@lowrank/core";
import type { Llama3RopeScaling, RopeConfig } from "./config/ropeConfig.ts";

/**
 * Rotary frequencies of one head size, with the config's scaling: one per pair of entries, in
 * radians per position. Each step rounds to f32 as transformers' does: one ulp of a frequency
 * turns token 1000 by 6e-5.
 */
export function inverseFrequencies({ theta, scaling }: RopeConfig, headDim: number): Float32Array {
  const frequencies = Float32Array.from({ length: headDim / 2 }, (_, i) => 1 / f32(theta ** f32((2 * i) / headDim)));
  if (!scaling) return frequencies;
  return frequencies.map((f) => (scaling.type === "linear" ? f / scaling.factor : llama3Scaled(f, scaling)));
}

const f32 = Math.fround;

function llama3Scaled(f: number, scaling: Llama3RopeScaling): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: original } = scaling;
  // torch divides a number by a tensor as the tensor's reciprocal times the number.
  const wavelength = f32(f32(1 / f) * f32(2 * Math.PI));
  if (wavelength < original / highFreqFactor) return f;
  if (wavelength > original / lowFreqFactor) return f / factor;
  const turns = f32(f32(1 / wavelength) * original);
  const smooth = f32(f32(turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor));
  return f32(f32(f32(1 - smooth) * f) / factor) + f32(smooth * f);
}

/** Rotates queries and keys by position; its tables grow as longer sequences come. */
export class RotaryEmbedding {
  readonly #frequencies: Float32Array;
  #tables: { cos: Tensor; sin: Tensor } | undefined;

  constructor(config: RopeConfig, headDim: number) {
    this.#frequencies = inverseFrequencies(config, headDim);
  }

  /**
   * A function that rotates x [B, T, H, d] whose tokens stand at `offset` + index, or
   * at `positionIds` [B, T].
   */
  at(tokens: number, offset: number, positionIds: Tensor | null): (x: Tensor) => Tensor {
    const { cos, sin } = this.#upTo(offset + tokens);
    if (!positionIds) return (x) => rope(x, cos, sin, { offset });
    const [c, s] = [embedding(cos, positionIds), embedding(sin, positionIds)];
    return (x) => rope(x, c, s, {});
  }

  #upTo(positions: number): { cos: Tensor; sin: Tensor } {
    const elsewhere = this.#tables && this.#tables.cos.storage.backend !== currentBackend();
    if (!this.#tables || elsewhere || this.#tables.cos.shape[0] < positions) {
      const { cos, sin } = ropeTables(this.#frequencies, 2 ** Math.ceil(Math.log2(Math.max(64, positions))));
      this.#tables?.cos.dispose();
      this.#tables?.sin.dispose();
      this.#tables = { cos: keep(cos), sin: keep(sin) };
    }
    return this.#tables;
  }
}
