import type { MethodRow } from "../comparison/methodComparison.ts";

/** Parts of the memory of a training step, in the order of the stacked bars, with their colours. */
export const memoryParts = [
  { name: "base model", colour: 8 },
  { name: "adapter", colour: 0 },
  { name: "gradients", colour: 2 },
  { name: "optimiser", colour: 1 },
  { name: "activations", colour: 3 },
] as const;

/**
 * Splits the peak memory of a training step into `memoryParts`, in bytes. Activations are the rest of the peak, which
 * can be less than the row's `activationBytes`, since they are partly freed when all gradients are in memory. Null if
 * the peak is not known.
 */
export function memoryOf(row: MethodRow): number[] | null {
  if (row.trainingBytes === null) return null;
  const adapter = row.peftType === null ? 0 : row.bytesTrained;
  const parts = [row.baseBytes, adapter, row.gradientBytes, row.optimizerBytes];
  return [...parts, Math.max(0, row.trainingBytes - parts.reduce((a, b) => a + b, 0))];
}
