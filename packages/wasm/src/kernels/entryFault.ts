import type { DataFault } from "@lowrank/core/backend";
import type { WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Returns the invalid entry at index `at` of an i32 tensor as a fault, or undefined if `at` is negative (no fault). */
export function entryFault(k: Kernels, { ptr }: WasmTensor, at: number): DataFault | undefined {
  return at < 0 ? undefined : { at, value: k.readI32(ptr + 4 * at) };
}

/** Finds the first label that is neither a class index nor `ignoreIndex`. */
export function findBadLabel(
  k: Kernels,
  labels: WasmTensor,
  classes: number,
  ignoreIndex: number,
): DataFault | undefined {
  return entryFault(k, labels, k.findBadLabel(labels.ptr, labels.size, classes, ignoreIndex));
}
