import type { Module } from "@lowrank/nn";

/** Values that were measured on one linear layer with weight [out, in], before an adapter is created on it. */
export interface Measurement {
  /** The initialisation that uses the values. */
  readonly init: "corda" | "lora_ga";
  /**
   * CorDA: the covariance of the layer's inputs, [in, in]. LoRA-GA: the mean gradient of the weight, [out, in]. Null if
   * the layer did not take part in any backward pass.
   */
  readonly values: Float32Array | null;
}

const measurements = new WeakMap<Module, Measurement>();

/** Stores what was measured on a layer. Replaces earlier values. */
export function setMeasurement(layer: Module, measurement: Measurement): void {
  measurements.set(layer, measurement);
}

/**
 * Returns what was measured on a layer for this initialisation, and removes it: the initialisation changes the weight,
 * so that values do not fit a second adapter. Returns undefined if nothing was measured.
 */
export function takeMeasurement(layer: Module, init: Measurement["init"]): Measurement | undefined {
  const found = measurements.get(layer);
  if (found?.init !== init) return undefined;
  measurements.delete(layer);
  return found;
}
