import type { WasmTensor } from "./kernel.ts";

/**
 * Returns the last arguments of an optimiser step's kernel: the guard's address (0: none) and size, and 1 for a test.
 */
export function guardOf(
  inputs: readonly WasmTensor[],
  { guard }: { readonly guard?: "obey" | "test" },
): readonly [ptr: number, size: number, test: number] {
  if (guard === undefined) return [0, 0, 0];
  const { ptr, size } = inputs[inputs.length - 1];
  return [ptr, size, Number(guard === "test")];
}
