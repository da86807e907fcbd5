import type { Tensor } from "@lowrank/core";
import type { LayerKind, Linear, Module, UnaryModule } from "@lowrank/nn";
import { ActiveAdapter } from "../layers/activeAdapter.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import { lora } from "../methods/lora/lora.ts";
import type { LoraConfig } from "../methods/lora/loraConfig.ts";
import { runBetween } from "../model/evaluating.ts";
import { matchTargets, resolveTargets } from "../targets/matchTargets.ts";

/** A linear layer that the adapter will change. */
export interface MeasuredTarget {
  readonly path: string;
  readonly layer: Linear;
  readonly kind: LayerKind;
}

/**
 * Returns the linear layers that a configuration of LoRA selects in a model without adapters. Throws if the
 * configuration has another initialisation, if the model has adapters, and if no linear layer matches.
 */
export function measuredTargets(
  model: Module,
  config: LoraConfig,
  init: "corda" | "lora_ga",
  caller: string,
): MeasuredTarget[] {
  if (config.initLoraWeights !== init) {
    throw new Error(`${caller}: the configuration is not LoRA with initLoraWeights: "${init}"`);
  }
  const modules = [...model.namedModules()];
  if (modules.some(([, module]) => module instanceof TunerLayer)) {
    throw new Error(`${caller}: the model has adapters; call it before getPeftModel`);
  }
  const { targets } = matchTargets(model, resolveTargets(model, config, lora), lora.kinds, modules);
  const linear = targets.filter(([, , kind]) => kind === "linear" || kind === "conv1d");
  if (linear.length === 0) throw new Error(`${caller}: the configuration selects no linear layer and no Conv1D`);
  return linear.map(([path, module, kind]) => ({ path, layer: module as Linear, kind }));
}

/** Computes a target's output for the input x, in place of its `forward`. */
export type Probe = (target: MeasuredTarget, x: Tensor, base: UnaryModule) => Tensor;

/** Runs `fn`, which may be async, while `probe` computes the outputs of the targets. Restores the layers afterwards. */
export async function probed(
  model: Module,
  targets: readonly MeasuredTarget[],
  probe: Probe,
  fn: () => Promise<void> | void,
): Promise<void> {
  const active = new ActiveAdapter();
  const name = "probe";
  active.names = [name];
  const before = () => {
    for (const target of targets) {
      const wrapper = new TunerLayer(target.layer, active);
      wrapper.add(name, { parameters: {}, forward: (x, base) => probe(target, x, base) });
      wrapper.training = target.layer.training;
      model.setSubmodule(target.path, wrapper);
    }
  };
  const after = () => {
    for (const { path, layer } of targets) model.setSubmodule(path, layer);
  };
  await runBetween(before, async () => await fn(), after);
}
