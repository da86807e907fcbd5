import type { BlockDType, PackedDType, QuantType } from "../layout/dtype.ts";
import type { TensorSpec } from "./backend.ts";
import type { Codebook } from "./codebook.ts";

/** The cut of an nf4 or fp4 weight: `blockSize` elements of the flattened weight share a scale. */
export interface Packing {
  /** A power of two from 32 to 4096. */
  readonly blockSize: number;
  /** True if the scales are quantised themselves, to 8 bits (QLoRA's double quantisation). */
  readonly nested: boolean;
}

/**
 * A format of packed weights: all that tensors, ops and files ask of it. Kernels know it
 * by its place in `dtypes`.
 */
export interface PackedFormat {
  readonly dtype: PackedDType;
  /** Throws unless shape and packing belong to the format; `what` names the caller. */
  check(what: string, spec: TensorSpec): void;
  /**
   * Throws unless the header in the bytes agrees with the spec; absent for
   * formats without a header.
   */
  checkBytes?(what: string, bytes: Uint8Array, spec: TensorSpec): void;
  /** Returns the bytes that a tensor takes. */
  byteLength(spec: TensorSpec): number;
  /** Writes all elements to `out` as f32. */
  unpack(bytes: Uint8Array, out: Float32Array, packing?: Packing): void;
  /** Bits of the integers that `linearInt8` multiplies; absent where codes are no integers. */
  readonly integerBits?: 4 | 5 | 6 | 8;
}

/** A format of bitsandbytes: codes of 4 bits that look up a number between -1 and 1. */
export interface FourBitFormat extends PackedFormat {
  readonly dtype: QuantType;
  /** By which `packFourBit` packs numbers. */
  readonly codebook: Codebook;
}

/** The place of a format in GGUF files; the names are of tensor types, as ggml has them. */
interface GgufPlace {
  /** The number of the tensor type. */
  readonly type: number;
  /** The number of files whose matrices are mostly of that type. */
  readonly file: number;
  /** The type of the output layer in such files. Default: the type itself. */
  readonly output?: "Q8_0" | "Q6_K";
  /** The type of matrices whose rows are no whole blocks, as llama.cpp takes it. Default: F16. */
  readonly otherwise?: "Q5_0" | "Q5_1" | "Q8_0";
}

/** A format of GGUF files: rows of whole blocks, each with its own scales. */
export interface BlockFormat extends PackedFormat {
  readonly dtype: BlockDType;
  /** `halves` are the bytes at which a block's f16 numbers begin. */
  readonly block: { readonly elements: number; readonly bytes: number; readonly halves: readonly number[] };
  readonly gguf: GgufPlace;
  /**
   * Returns the blocks of whole rows, as gguf-py's `quantize`, and as ggml's reference quantiser
   * where gguf-py has none. Throws where a number or a scale is not finite; `what` names the
   * tensor.
   */
  pack(values: Float32Array, what: string): Uint8Array<ArrayBuffer>;
}
