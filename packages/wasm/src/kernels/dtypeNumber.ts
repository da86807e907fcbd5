import { dtypes, type TensorSpec } from "@lowrank/core/backend";

/**
 * Returns the number by which the kernels know a dtype: its place in core's list,
 * which their build writes out.
 */
export function dtypeNumber({ dtype }: TensorSpec): number {
  return dtypes.indexOf(dtype);
}
