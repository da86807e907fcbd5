import { type TensorSpec, weightDTypes } from "@lowrank/core/backend";

/** Returns the number by which the kernels know how a weight is stored. */
export function weightFormat({ dtype }: TensorSpec): number {
  return weightDTypes.indexOf(dtype);
}
