import { OptionError } from "@lowrank/core";
import type { PeftConfig } from "../config/peftConfig.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { runBetween } from "../model/evaluating.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import type { GetPeftModelOptions } from "../peftModel/peftModelOptions.ts";

/**
 * Sets whether the tensors of some adapters require gradients, whether the adapters are active or not. Like PEFT's
 * `set_requires_grad`. `setAdapter` changes them again: it makes the tensors of the new adapter trainable and
 * freezes the tensors of the old one. Tensors that the method never trains stay frozen.
 *
 * @throws If there is no adapter with a name.
 *
 * @example
 * setRequiresGrad(peft, ["english", "french"], false);
 */
export function setRequiresGrad<M extends AdaptableModel>(
  peft: PeftModel<M>,
  adapterNames: string | readonly string[],
  requiresGrad = true,
): void {
  const tuner = peft.base_model;
  const names = typeof adapterNames === "string" ? [adapterNames] : adapterNames;
  for (const name of names) tuner.adapter(name);
  for (const name of names) tuner.setRequiresGradOf(name, requiresGrad);
}

/**
 * Runs `fn`, which may be async, with the scaling of every LoRA adapter multiplied by a number, and restores the
 * scalings afterwards. Like PEFT's `rescale_adapter_scale`. A multiplier from 0 to 1 interpolates between the base
 * model and the adapted model, as in WiSE-FT (Wortsman et al. 2021, https://arxiv.org/abs/2109.01903).
 *
 * @throws If the multiplier is not a finite number, if the model lacks LoRA layers, or while an adapter is merged.
 *
 * @example
 * const half = await rescaleAdapterScale(peft, 0.5, () => generate(peft, prompt));
 */
export function rescaleAdapterScale<M extends AdaptableModel, T>(
  peft: PeftModel<M>,
  multiplier: number,
  fn: () => T,
): T {
  if (!Number.isFinite(multiplier)) {
    const problem = `is ${multiplier}; it must be a finite number`;
    throw new OptionError("rescaleAdapterScale", "multiplier", multiplier, problem);
  }
  const tuner = peft.base_model;
  tuner.checkWhole("rescale adapters", { rows: true });
  if (peft.isMerged) throw new Error("rescaleAdapterScale: an adapter is merged; call unmergeAdapter first");
  const scalings: { layer: TunerLayer; name: string; scaling: number }[] = [];
  for (const { name, method } of tuner.adapters.values()) {
    // LoRA alone consists of products with a scaling.
    if (method.combines?.kind !== "products") continue;
    for (const layer of tuner.wrappers.values()) {
      const scaling = layer instanceof TunerLayer ? layer.get(name)?.scaling : undefined;
      if (scaling !== undefined) scalings.push({ layer: layer as TunerLayer, name, scaling });
    }
  }
  if (scalings.length === 0)
    throw new Error("rescaleAdapterScale: the model has no LoRA layer, whose scaling could be changed");
  const set = (factor: number) => {
    for (const { layer, name, scaling } of scalings) layer.setScaling(name, scaling * factor);
  };
  return runBetween(
    () => set(multiplier),
    fn,
    () => set(1),
  );
}

/**
 * Adds an adapter to a model in place and returns the model itself instead of a `PeftModel`, like PEFT's
 * `inject_adapter_in_model`. The model's `forward` then applies the adapter. The model's own parameters are frozen.
 *
 * @throws As `getPeftModel` does: if targets match nothing, or if the model already has adapters.
 *
 * @example
 * await injectAdapterInModel(new LoraConfig({ targetModules: ["q_proj"] }), model);
 */
export async function injectAdapterInModel<M extends AdaptableModel>(
  config: PeftConfig,
  model: M,
  options: GetPeftModelOptions = {},
): Promise<M> {
  return (await getPeftModel(model, config, options)).baseModel;
}
