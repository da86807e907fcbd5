import type { TensorSpec } from "../backends/backend.ts";
import { byteLength as bytesOfKnown } from "../backends/packing.ts";
import { isPacked } from "../layout/dtype.ts";
import { packedFormats } from "./index.ts";

/** Returns the bytes that the elements of a tensor occupy. Throws for nf4 and fp4 without a packing. */
export function byteLength(spec: TensorSpec): number {
  const { dtype } = spec;
  return isPacked(dtype) ? packedFormats[dtype].byteLength(spec) : bytesOfKnown(spec);
}
