import type { TensorSpec } from "../backends/backend.ts";
import { byteLength as bytesOfKnown } from "../backends/packing.ts";
import { isPacked } from "../layout/dtype.ts";
import { packedFormats } from "./index.ts";

/** Returns the number of bytes that a tensor's elements take. Throws if `packing` is missing for nf4 or fp4. */
export function byteLength(spec: TensorSpec): number {
  const { dtype } = spec;
  return isPacked(dtype) ? packedFormats[dtype].byteLength(spec) : bytesOfKnown(spec);
}
