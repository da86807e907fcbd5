import { abs, add, div, keep, matmul, max, noGrad, OptionError, scope, type Tensor, to } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { Module } from "@lowrank/nn";
import type { LoraConfig } from "../methods/lora/loraConfig.ts";
import { checkCorda } from "../methods/lora/measured/componentFactors.ts";
import { setMeasurement } from "../methods/lora/measured/measurements.ts";
import { evaluating } from "../model/evaluating.ts";
import { type MeasuredTarget, measuredTargets, probed } from "./measureTargets.ts";

/** Options of `preprocessCorda`. */
export interface CordaOptions {
  /** Covariances of an earlier call, by path. `runModel` then does not run. */
  covariances?: ReadonlyMap<string, Float32Array>;
  /** The model whose layers are measured. Its layers have the same paths. Default: the model that gets the adapter. */
  hookedModel?: Module;
}

/**
 * Measures the covariances of the layers' inputs that CorDA's initialisation needs, like PEFT's `preprocess_corda`.
 * Call it before `getPeftModel`, with the same configuration. `runModel` runs the model on samples of the data, without
 * gradients; it may be async. Each row of a batch [B, T, in] counts as one sample, and padding counts too, so use
 * samples of equal lengths. Too few tokens give covariances of a low rank: measure more tokens than a layer has inputs.
 *
 * Returns the covariances [in, in] by path, so that you can store them and use them for another rank.
 *
 * @throws If the configuration has another initialisation, if the model has adapters, if `runModel` does not run a
 * target layer, and if inputs are not finite.
 *
 * @example
 * const config = new LoraConfig({ initLoraWeights: "corda", targetModules: "all-linear" });
 * await preprocessCorda(model, config, () => {
 *   for (const inputIds of samples) scope(() => model.forward({ inputIds }));
 * });
 * const peft = await getPeftModel(model, config);
 */
export async function preprocessCorda(
  model: Module,
  config: LoraConfig,
  runModel: () => Promise<void> | void,
  options: CordaOptions = {},
): Promise<Map<string, Float32Array>> {
  checkOptions("preprocessCorda", options, { covariances: true, hookedModel: true });
  const targets = measuredTargets(model, config, "corda", "preprocessCorda");
  checkCorda(config);
  const { hookedModel = model } = options;
  const covariances = options.covariances ?? (await meanCovariances(hookedModel, config, runModel));
  const found = new Map<string, Float32Array>();
  for (const { path, layer } of targets) {
    const values = covariances.get(path);
    if (!values) {
      throw new Error(`preprocessCorda: there are no inputs of ${path}; run the model on samples inside of runModel`);
    }
    if (values.length !== layer.inFeatures ** 2) {
      const problem = `has ${values.length} values for ${path}, which has ${layer.inFeatures} inputs`;
      throw new OptionError("preprocessCorda", "covariances", values.length, problem);
    }
    if (!values.every(Number.isFinite)) {
      throw new Error(`preprocessCorda: inputs of ${path} are zero, NaN or infinite; measure other data`);
    }
    found.set(path, values);
  }
  for (const { path, layer } of targets) setMeasurement(layer, { init: "corda", values: found.get(path)! });
  return found;
}

/** Returns the mean covariance of each target's samples, by path. Targets that did not run are missing. */
async function meanCovariances(
  model: Module,
  config: LoraConfig,
  runModel: () => Promise<void> | void,
): Promise<Map<string, Float32Array>> {
  const targets = measuredTargets(model, config, "corda", "preprocessCorda");
  const sums = new Map<MeasuredTarget, { sum: Tensor; count: number }>();
  const observe = (target: MeasuredTarget, x: Tensor) => {
    for (const sample of samplesOf(x)) {
      const before = sums.get(target);
      const part = noGrad(() => scope(() => covarianceOf(sample())));
      if (!before) sums.set(target, { sum: keep(part), count: 1 });
      else {
        const sum = noGrad(() => add(before.sum, part));
        sums.set(target, { sum: keep(sum), count: before.count + 1 });
        before.sum.dispose();
        part.dispose();
      }
    }
  };
  try {
    await evaluating([model], () =>
      probed(
        model,
        targets,
        (target, x, base) => {
          observe(target, x);
          return base.forward(x);
        },
        runModel,
      ),
    );
    const means = new Map<string, Float32Array>();
    for (const [{ path }, { sum, count }] of sums) {
      means.set(
        path,
        ((await sum.data()) as Float32Array).map((x) => x / count),
      );
    }
    return means;
  } finally {
    for (const { sum } of sums.values()) sum.dispose();
  }
}

/** Returns functions that give the samples of an input: the rows of [B, T, in], or the whole input [T, in]. */
function samplesOf(x: Tensor): (() => Tensor)[] {
  const { shape } = x;
  if (shape.length < 3) return [() => x.detach()];
  const [tokens, features] = [shape[shape.length - 2], shape[shape.length - 1]];
  const count = x.size / (tokens * features);
  return Array.from({ length: count }, (_, i) => () => x.detach().reshape([count, tokens, features]).select(0, i));
}

/** Returns Xᵀ X of a sample [T, in], divided by the largest element of X before. */
function covarianceOf(sample: Tensor): Tensor {
  const x = to(sample, { dtype: "f32" });
  const normalized = div(x, abs(max(x)));
  return matmul(normalized, normalized, { transposeA: true });
}
