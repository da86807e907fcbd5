import { dtypes, type TensorSpec } from "@lowrank/core/backend";

/**
 * Returns the index of a dtype in the kernels, which is its index in core's list; the build generates it from there.
 */
export function dtypeNumber({ dtype }: TensorSpec): number {
  return dtypes.indexOf(dtype);
}
