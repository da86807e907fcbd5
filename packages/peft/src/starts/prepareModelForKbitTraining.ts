import { isPacked, noGrad, to } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type Module, Parameter } from "@lowrank/nn";
import { placesOf, setValue } from "../layers/swap.ts";

/** Options of `prepareModelForKbitTraining`. */
export interface PrepareOptions {
  /**
   * Enables gradient checkpointing if the model is quantised: activations are recomputed in the backward pass. Default:
   * true.
   */
  useGradientCheckpointing?: boolean;
}

/**
 * Prepares a quantised model for adapters, like PEFT's function: freezes all parameters, converts half-precision ones
 * (norms, embeddings, the output layer) to f32, and enables gradient checkpointing. Changes the model in place. Throws
 * if the model does not support the requested checkpointing.
 */
export function prepareModelForKbitTraining<M extends Module>(model: M, options: PrepareOptions = {}): M {
  checkOptions("prepareModelForKbitTraining", options, { useGradientCheckpointing: true });
  const { useGradientCheckpointing = true } = options;
  model.setRequiresGrad(false);
  let quantized = false;
  for (const [parameter, places] of placesOf(model)) {
    quantized ||= isPacked(parameter.dtype);
    if (parameter.dtype !== "f16" && parameter.dtype !== "bf16") continue;
    using wide = noGrad(() => to(parameter, { dtype: "f32" }));
    const value = new Parameter(wide, { requiresGrad: false });
    value.precision = parameter.precision;
    for (const place of places) setValue(place, value);
    parameter.dispose();
  }
  if (quantized && useGradientCheckpointing) enableCheckpointing(model);
  return model;
}

function enableCheckpointing(model: Module): void {
  const { gradientCheckpointingEnable: enable } = model as { gradientCheckpointingEnable?: () => unknown };
  if (!enable) {
    throw new Error(
      `${model.constructor.name} has no gradientCheckpointingEnable; pass useGradientCheckpointing: false`,
    );
  }
  enable.call(model);
}
