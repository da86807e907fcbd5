import type { BlockDType, PackedDType, QuantType } from "../layout/dtype.ts";
import type { TensorSpec } from "./backend.ts";
import type { Codebook } from "./codebook.ts";

/** The block layout of an nf4 or fp4 weight: `blockSize` elements of the flattened weight share a scale. */
export interface Packing {
  /** A power of two from 32 to 4096. */
  readonly blockSize: number;
  /** True if the scales are themselves quantised to 8 bits (QLoRA's double quantisation). */
  readonly nested: boolean;
}

/**
 * A format of packed weights: everything that tensors, ops and file formats need from it. Kernels identify it by its
 * index in `dtypes`.
 */
export interface PackedFormat {
  readonly dtype: PackedDType;
  /** Throws unless shape and packing are valid for the format. `what` names the caller in the error. */
  check(what: string, spec: TensorSpec): void;
  /** Throws unless the header in the bytes agrees with the spec. Undefined for formats without a header. */
  checkBytes?(what: string, bytes: Uint8Array, spec: TensorSpec): void;
  /** Returns the number of bytes that a tensor takes. */
  byteLength(spec: TensorSpec): number;
  /** Writes all elements to `out` as f32. */
  unpack(bytes: Uint8Array, out: Float32Array, packing?: Packing): void;
  /** Bits of the integers that `linearInt8` multiplies. Undefined if the codes are not integers. */
  readonly integerBits?: 4 | 5 | 6 | 8;
}

/** A bitsandbytes format: each 4-bit code is the index of a value between -1 and 1 in a codebook. */
export interface FourBitFormat extends PackedFormat {
  readonly dtype: QuantType;
  /** The codebook that `packFourBit` uses. */
  readonly codebook: Codebook;
}

/** The format's identifiers in GGUF files. The names are ggml's tensor types. */
interface GgufPlace {
  /** The ggml number of the tensor type. */
  readonly type: number;
  /** GGUF's file type (`general.file_type`) for files that mostly use this tensor type. */
  readonly file: number;
  /** The tensor type of the output layer in such files. Default: the format's own type. */
  readonly output?: "Q8_0" | "Q6_K";
  /** The type for matrices whose rows do not divide into whole blocks, chosen as in llama.cpp. Default: F16. */
  readonly otherwise?: "Q5_0" | "Q5_1" | "Q8_0";
}

/** A format of GGUF files: each row consists of whole blocks, and each block has its own scales. */
export interface BlockFormat extends PackedFormat {
  readonly dtype: BlockDType;
  /** Elements and bytes of a block. `halves` are the byte offsets of its f16 values. */
  readonly block: { readonly elements: number; readonly bytes: number; readonly halves: readonly number[] };
  readonly gguf: GgufPlace;
  /**
   * Packs whole rows into blocks, as gguf-py's `quantize` does, or as ggml's reference quantiser if gguf-py lacks the
   * format. Throws if a value or a scale is not finite; `what` names the tensor in the error.
   */
  pack(values: Float32Array, what: string): Uint8Array<ArrayBuffer>;
}
