import type { WasmTensor } from "./kernel.ts";

/**
 * Returns the last arguments of an optimiser kernel: the address of the guard vector (0 without one), its length, and 1
 * if the step only tests the guard.
 */
export function guardOf(
  inputs: readonly WasmTensor[],
  { guard }: { readonly guard?: "obey" | "test" },
): readonly [ptr: number, size: number, test: number] {
  if (guard === undefined) return [0, 0, 0];
  const { ptr, size } = inputs[inputs.length - 1];
  return [ptr, size, Number(guard === "test")];
}
