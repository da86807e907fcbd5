import type { TensorSpec } from "../backends/backend.ts";
import {
  type BlockFormat,
  byteLength as bytesOfKnown,
  type FourBitFormat,
  registerPackedFormat,
} from "../backends/packedFormat.ts";
import { type BlockDType, isPacked, type PackedDType, type QuantType } from "../layout/dtype.ts";
import { fp4, nf4 } from "./blockwise/fourBit.ts";
import { q4_0 } from "./gguf/q4_0.ts";
import { q4_1 } from "./gguf/q4_1.ts";
import { q4_k } from "./gguf/q4_k.ts";
import { q5_0 } from "./gguf/q5_0.ts";
import { q5_1 } from "./gguf/q5_1.ts";
import { q5_k } from "./gguf/q5_k.ts";
import { q6_k } from "./gguf/q6_k.ts";
import { q8_0 } from "./gguf/q8_0.ts";

/** The formats of GGUF dtypes, whose tensors store a file's blocks unchanged. */
export const blockFormats: Readonly<Record<BlockDType, BlockFormat>> = {
  ...{ q4_0, q4_1, q8_0 },
  ...{ q5_0, q5_1 },
  ...{ q4_k, q5_k, q6_k },
};

/** The formats of all packed dtypes. */
export const packedFormats: Readonly<Record<QuantType, FourBitFormat> & Record<BlockDType, BlockFormat>> = {
  nf4,
  fp4,
  ...blockFormats,
};

/**
 * Returns the format of a packed dtype, and registers it, as is required before a tensor of that dtype can be created.
 */
export function packedFormat<D extends PackedDType>(dtype: D): (typeof packedFormats)[D] {
  const format = packedFormats[dtype];
  registerPackedFormat(format);
  return format;
}

/** Returns the number of bytes that a tensor's elements take. Throws if `packing` is missing for nf4 or fp4. */
export function byteLength(spec: TensorSpec): number {
  const { dtype } = spec;
  return isPacked(dtype) ? packedFormats[dtype].byteLength(spec) : bytesOfKnown(spec);
}
