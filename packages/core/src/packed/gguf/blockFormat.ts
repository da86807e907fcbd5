import type { BlockFormat } from "../../backends/packedFormat.ts";
import type { BlockDType } from "../../layout/dtype.ts";
import { formatShape, sizeOf } from "../../layout/shape.ts";
import { ScaleWriter } from "./scaleWriter.ts";

// `pack` rounds as llama.cpp's reference code (quantize_row_*_ref in ggml-quants.c) and gguf-py do: every intermediate
// result is an f32, and no product is fused with a sum.

/** The definition of a GGUF format: its sizes and names, and the functions that pack and unpack one block. */
interface BlockDefinition {
  readonly dtype: BlockDType;
  readonly block: BlockFormat["block"];
  readonly gguf: BlockFormat["gguf"];
  readonly integerBits?: BlockFormat["integerBits"];
  /**
   * Packs the elements of `values` from index `from` on, all finite, into the block at byte `at`, where all bytes must
   * be zero.
   */
  pack(values: Float32Array, from: number, blocks: Uint8Array, at: number, scales: ScaleWriter): void;
  /** Converts the block at byte `at` to f32, and writes it to `out` from index `to` on. */
  unpack(blocks: Uint8Array, at: number, out: Float32Array, to: number): void;
}

/** Creates a GGUF format, which packs and unpacks whole tensors, from the functions for one block. */
export function blockFormat({ pack, unpack, ...facts }: BlockDefinition): BlockFormat {
  const { dtype, block } = facts;
  return {
    ...facts,
    check: (what, { shape, packing }) => {
      if (packing) throw new Error(`${what}: ${dtype} has a fixed block size; leave the packing out`);
      if (shape[shape.length - 1] % block.elements === 0) return;
      throw new Error(
        `${what}: rows of ${dtype} ${formatShape(shape)} must be whole blocks of ${block.elements} elements`,
      );
    },
    byteLength: ({ shape }) => (sizeOf(shape) / block.elements) * block.bytes,
    pack: (values, what) => {
      const blocks = new Uint8Array((values.length / block.elements) * block.bytes);
      const scales = new ScaleWriter(blocks, dtype, what);
      if (!values.every(Number.isFinite)) throw scales.refusal("a number that is not finite");
      for (let from = 0, at = 0; at < blocks.length; from += block.elements, at += block.bytes) {
        pack(values, from, blocks, at, scales);
      }
      return blocks;
    },
    unpack: (blocks, out) => {
      for (let at = 0, to = 0; at < blocks.length; at += block.bytes, to += block.elements) unpack(blocks, at, out, to);
    },
  };
}

/** Returns 1 / d in f32, or 0 if that overflows. In that case d is zero as f16, so every code has the same value. */
export function inverseOf(d: number): number {
  const inverse = Math.fround(1 / d);
  return Number.isFinite(inverse) ? inverse : 0;
}

/** Returns the smallest and the largest of a block's 32 values. */
export function rangeOf(values: Float32Array, from: number): [least: number, most: number] {
  let least = values[from];
  let most = least;
  for (let i = from; i < from + 32; i++) {
    least = Math.min(least, values[i]);
    most = Math.max(most, values[i]);
  }
  return [least, most];
}
