import {
  type BlockDType,
  bytesPerElement,
  expectsUnpacked,
  isPacked,
  type PackedDType,
  type QuantType,
} from "../layout/dtype.ts";
import { bf16ToF32, f16ToF32 } from "../layout/half.ts";
import { sizeOf } from "../layout/shape.ts";
import type { TensorSpec, View } from "./backend.ts";

/** The block layout of an nf4 or fp4 weight. */
export interface Packing {
  /** Number of consecutive elements of the flattened weight that share one scale: a power of two from 32 to 4096. */
  readonly blockSize: number;
  /** True if the scales are themselves quantised to 8 bits (QLoRA's double quantisation). */
  readonly nested: boolean;
}

/** A format of packed weights, with all functions that tensors, ops and file formats need for it. */
export interface PackedFormat {
  readonly dtype: PackedDType;
  /** Throws unless shape and packing are valid for the format. `what` names the caller in the error. */
  check(what: string, spec: TensorSpec): void;
  /** Throws unless the header in the bytes agrees with shape and packing. Undefined for formats without a header. */
  checkBytes?(what: string, bytes: Uint8Array, spec: TensorSpec): void;
  /** Returns the number of bytes that a tensor takes. */
  byteLength(spec: TensorSpec): number;
  /** Dequantises all elements and writes them to `out`. */
  unpack(bytes: Uint8Array, out: Float32Array, packing?: Packing): void;
  /** Number of bits of the integer codes that `linearInt8` multiplies. Undefined for formats without integer codes. */
  readonly integerBits?: 4 | 5 | 6 | 8;
}

/** A bitsandbytes format, whose 4-bit codes are indices into a table of values between -1 and 1. */
export interface FourBitFormat extends PackedFormat {
  readonly dtype: QuantType;
  /** The 16 values of the codes, and the thresholds for finding the code nearest to a value. */
  readonly codebook: Codebook;
}

/**
 * The storage of this format in GGUF files: the ids of the format, and other formats for tensors that cannot or should
 * not use it. Format names are written as in ggml.
 */
interface GgufPlace {
  /** ggml's number of this tensor type. */
  readonly type: number;
  /** GGUF's file type (`general.file_type`) of files in which most tensors have this type. */
  readonly file: number;
  /** Format of the output layer's weight in a file whose other matrices have this format. Default: the same format. */
  readonly output?: "Q8_0" | "Q6_K";
  /**
   * Format for matrices whose row length is not a multiple of the block size, as llama.cpp selects it. Default: F16.
   */
  readonly otherwise?: "Q5_0" | "Q5_1" | "Q8_0";
}

/** A format of GGUF files: each row consists of whole blocks, and each block has its own scales. */
export interface BlockFormat extends PackedFormat {
  readonly dtype: BlockDType;
  /** Number of elements and bytes of a block. `halves` lists the byte offsets of its f16 values. */
  readonly block: { readonly elements: number; readonly bytes: number; readonly halves: readonly number[] };
  readonly gguf: GgufPlace;
  /**
   * Quantises whole rows to blocks. The result equals gguf-py's `quantize` or, if gguf-py lacks the format, ggml's
   * reference quantiser. Throws if a value or a scale is not finite; `what` names the tensor in the error.
   */
  pack(values: Float32Array, what: string): Uint8Array<ArrayBuffer>;
}

/**
 * The 16 values that the codes of a 4-bit dtype stand for, and the thresholds by which a value between -1 and 1 gets
 * its code.
 */
export interface Codebook {
  /** The values, indexed by code. */
  readonly values: Float32Array;
  /**
   * The 15 midpoints between neighbouring values, in ascending order. A number equal to a midpoint gets the code of the
   * lower value.
   */
  readonly thresholds: Float32Array;
  /** The codes in ascending order of their values. */
  readonly order: Uint8Array;
}

/** Creates a codebook from the values of the codes 0 to 15, and from the codes in ascending order of their values. */
export function codebook(values: readonly number[], order: readonly number[]): Codebook {
  const table = Float32Array.from(values);
  const thresholds = Float32Array.from({ length: 15 }, (_, i) => {
    return Math.fround(table[order[i]] + table[order[i + 1]]) / 2;
  });
  return { values: table, thresholds, order: Uint8Array.from(order) };
}

/** Returns the code of a value between -1 and 1. */
export function codeOf({ thresholds, order }: Codebook, x: number): number {
  let below = 0;
  while (thresholds[below] < x) below++;
  return order[below];
}

const known = new Map<string, PackedFormat>();

/**
 * Registers a packed format, so that tensors of its dtype can be handled. Functions that create packed tensors call
 * this; a web page without packed weights therefore bundles no format.
 */
export function registerPackedFormat(format: PackedFormat): void {
  known.set(format.dtype, format);
}

/**
 * Returns the format of a packed dtype. Throws if it is not registered, which means that no tensor of this dtype was
 * created.
 */
export function formatOf(dtype: PackedDType): PackedFormat {
  const format = known.get(dtype);
  if (!format) throw expectsUnpacked(dtype);
  return format;
}

/** Returns the number of bytes that a tensor's elements take. */
export function byteLength(spec: TensorSpec): number {
  const { dtype, shape } = spec;
  return isPacked(dtype) ? formatOf(dtype).byteLength(spec) : sizeOf(shape) * bytesPerElement(dtype);
}

/**
 * Returns all elements of a float or packed weight as f32. For an f32 weight, returns the weight's own array, not a
 * copy.
 */
export function unpackAll({ data, dtype, size, packing }: View): Float32Array {
  if (data instanceof Float32Array) return data;
  const out = new Float32Array(size);
  if (isPacked(dtype)) formatOf(dtype).unpack(data as Uint8Array, out, packing);
  else (dtype === "bf16" ? bf16ToF32 : f16ToF32)(data as Uint16Array, out);
  return out;
}
