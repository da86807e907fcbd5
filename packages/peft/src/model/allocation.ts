import type { Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Allocator } from "../methods/shared/method.ts";
import type { Adapter } from "./adapter/adapter.ts";
import type { Tuner } from "./tuner.ts";

/** Returns the active adapter that trains and whose method allocates in training (AdaLoRA, AdaMSS), otherwise null. */
function allocating(tuner: Tuner<Module>): (Adapter & { allocator: Allocator<PeftConfig> }) | null {
  tuner.checkWhole("give out ranks");
  const adapters = tuner.active.map((name) => tuner.adapter(name));
  const adapter = adapters.find(({ allocator, trainable }) => allocator && trainable) ?? null;
  return adapter as (Adapter & { allocator: Allocator<PeftConfig> }) | null;
}

/** Reallocates what the active adapter trains after optimiser step `step`. Does nothing for other methods. */
export async function allocate(tuner: Tuner<Module>, step: number): Promise<void> {
  const adapter = allocating(tuner);
  if (adapter) adapter.config = await adapter.allocator.update(adapter.config, step);
}

/**
 * Returns the tensors that `allocate` needs in later steps, for a checkpoint. The caller frees them. Empty for methods
 * that do not allocate.
 */
export function allocationState(tuner: Tuner<Module>): Map<string, Tensor> {
  const adapter = allocating(tuner);
  return adapter ? adapter.allocator.state(adapter.config) : new Map();
}

/** Restores the tensors that `allocationState` returned. */
export async function setAllocationState(tuner: Tuner<Module>, state: ReadonlyMap<string, Tensor>): Promise<void> {
  const adapter = allocating(tuner);
  if (adapter) adapter.config = await adapter.allocator.setState(adapter.config, state);
}
