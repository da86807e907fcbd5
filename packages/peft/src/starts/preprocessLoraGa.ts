import { defineOp, noGrad, type Op, OptionError, to } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { Module } from "@lowrank/nn";
import type { LoraConfig } from "../methods/lora/loraConfig.ts";
import { checkLoraGa } from "../methods/lora/measured/gradientFactors.ts";
import { setMeasurement } from "../methods/lora/measured/measurements.ts";
import { type MeasuredTarget, measuredTargets, probed } from "./measureTargets.ts";

/** An op that returns its input, and calls `seen` in the backward pass. */
const countBackward: Op<1, { seen: () => void }> = defineOp({
  name: "peft/countBackward",
  arity: 1,
  view: true,
  shape: ([x]) => x,
  vjp: ({ grads: [dy], params }) => {
    params.seen();
    return [dy];
  },
});

/**
 * Measures the gradients that LoRA-GA's initialisation needs, like PEFT's `preprocess_loraga`. Call it before
 * `getPeftModel`, with the same configuration. `trainStep` runs the model on some batches and calls `backward` on each
 * loss; it may be async. Gradients of the target layers' weights are averaged over these backward passes. Parameters
 * keep their values. Layers without a gradient will start like plain LoRA.
 *
 * `gradients` are the gradients of an earlier call, by path; `trainStep` then does not run. Returns the gradients by
 * path, each in the weight's shape, so that you can store them.
 *
 * @throws If the configuration has another initialisation, if the model has adapters, and if a target is quantised.
 *
 * @example
 * const config = new LoraConfig({ initLoraWeights: "lora_ga", targetModules: "all-linear" });
 * await preprocessLoraGa(model, config, () => {
 *   for (const batch of batches) scope(() => model.loss(batch).backward());
 * });
 * const peft = await getPeftModel(model, config);
 */
export async function preprocessLoraGa(
  model: Module,
  config: LoraConfig,
  trainStep: () => Promise<void> | void,
  options: { gradients?: ReadonlyMap<string, Float32Array> } = {},
): Promise<Map<string, Float32Array>> {
  checkOptions("preprocessLoraGa", options, { gradients: true });
  const targets = measuredTargets(model, config, "lora_ga", "preprocessLoraGa");
  checkLoraGa(config);
  for (const { path, layer } of targets) {
    const { dtype } = layer.weight;
    if (["f32", "f16", "bf16"].includes(dtype)) continue;
    throw new Error(
      `preprocessLoraGa: ${path} is ${dtype}, and quantised weights have no gradients; load the model without quantize, and call quantizeBase after getPeftModel`,
    );
  }
  const gradients = options.gradients ?? (await meanGradients(model, targets, trainStep));
  for (const { path, layer, kind } of targets) {
    const values = gradients.get(path) ?? null;
    if (values && values.length !== layer.weight.size) {
      const problem = `has ${values.length} values for ${path}, whose weight has ${layer.weight.size}`;
      throw new OptionError("preprocessLoraGa", "gradients", values.length, problem);
    }
    const [rows, columns] = layer.weight.shape;
    setMeasurement(layer, {
      init: "lora_ga",
      values: values && kind === "conv1d" ? transposed(values, rows, columns) : values,
    });
  }
  return new Map(gradients);
}

/** Returns the mean gradient of each target's weight, by path. Targets without a backward pass are missing. */
async function meanGradients(
  model: Module,
  targets: readonly MeasuredTarget[],
  trainStep: () => Promise<void> | void,
): Promise<Map<string, Float32Array>> {
  const parameters = [...new Set(model.parameters())];
  const before = parameters.map(({ requiresGrad }) => requiresGrad);
  const modes = [...model.namedModules()].map(([, module]) => [module, module.training] as const);
  const counts = new Map<MeasuredTarget, number>();
  const means = new Map<string, Float32Array>();
  const clear = () => {
    for (const { layer } of targets) {
      layer.weight.grad?.dispose();
      layer.weight.grad = null;
    }
  };
  model.train();
  model.setRequiresGrad(false);
  for (const { layer } of targets) layer.weight.requiresGrad = true;
  clear();
  try {
    await probed(
      model,
      targets,
      (target, x, base) => {
        const y = base.forward(x);
        return y.requiresGrad
          ? countBackward(y, { seen: () => void counts.set(target, (counts.get(target) ?? 0) + 1) })
          : y;
      },
      trainStep,
    );
    for (const target of targets) {
      const { path, layer } = target;
      const count = counts.get(target);
      if (count === undefined || !layer.weight.grad) continue;
      using full = noGrad(() => to(layer.weight.grad!, { dtype: "f32" }));
      const sum = (await full.data()) as Float32Array;
      means.set(
        path,
        sum.map((x) => x / count),
      );
    }
  } finally {
    clear();
    for (const [i, parameter] of parameters.entries()) parameter.requiresGrad = before[i];
    for (const [module, training] of modes) module.training = training;
  }
  if (means.size === 0) {
    throw new Error(
      "preprocessLoraGa: no target has a gradient; call backward on a loss of this model inside of trainStep",
    );
  }
  return means;
}

/** Returns a matrix [rows, columns] as [columns, rows]. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
}
