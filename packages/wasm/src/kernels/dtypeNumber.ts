import { dtypes, type TensorSpec } from "@lowrank/core/backend";

/** Returns the number by which the WebAssembly kernels identify a dtype: its index in core's list `dtypes`. */
export function dtypeNumber({ dtype }: TensorSpec): number {
  return dtypes.indexOf(dtype);
}
