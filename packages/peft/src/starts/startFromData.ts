import { copyInto, keep, noGrad, scope, type Tensor, tensor, yieldIfDue } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { PeftConfig } from "../config/peftConfig.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { DataBatch, MethodFacts } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { filePrefix } from "../model/adapter/adapter.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";

/**
 * Initialises an adapter from its layers' inputs on `batches`, for methods that support this (LoRA with EVA). Uses all
 * batches. Replaces the adapter's tensors, so create the optimiser afterwards. Throws if the adapter's method does not
 * support this, if the adapter was already trained, and if there are no batches.
 */
export async function startFromData<M extends AdaptableModel>(
  peft: PeftModel<M>,
  batches: Iterable<Parameters<M["forward"]>[0] & DataBatch>,
  options: { adapterName?: string } = {},
): Promise<void> {
  checkOptions("startFromData", options, { adapterName: true });
  const { adapterName = "default" } = options;
  const { config, method, report } = peft.base_model.adapter(adapterName);
  const start = (method as MethodFacts<PeftConfig>).startsFromData?.(config) ?? null;
  if (!start)
    throw new Error(`startFromData: adapter "${adapterName}" is not initialised from data; train it without this call`);
  const layers = layersOf(peft, adapterName);
  const seen = new Map(
    [...layers].map(([path, layer]) => [path, { base: layer.base_layer, tensors: layer.tensors(adapterName) }]),
  );
  using measurement = await start.measure(seen);
  const before = { active: peft.base_model.active, training: peft.training };
  peft.setAdapter(adapterName);
  peft.eval();
  let count = 0;
  try {
    for (const batch of batches) {
      const inputs = inputsOf(peft, batch, layers, measurement.watched);
      count += 1;
      try {
        await measurement.add(inputs, batch);
      } finally {
        for (const x of inputs.values()) x.dispose();
      }
      await yieldIfDue();
    }
    if (count === 0) throw new Error("startFromData: there are no batches");
    const { config: found, values } = await measurement.result(report.matched);
    await restart(peft, adapterName, found, values);
  } finally {
    peft.train(before.training);
    if (before.active.length > 0) peft.base_model.activate(...before.active);
  }
}

function layersOf<M extends AdaptableModel>(peft: PeftModel<M>, name: string): Map<string, TunerLayer> {
  const layers = new Map<string, TunerLayer>();
  for (const [path, module] of peft.baseModel.namedModules()) {
    if (module instanceof TunerLayer && module.has(name)) layers.set(path, module);
  }
  return layers;
}

/** Runs the model on a batch and returns the inputs of the layers in `watched`, by path. The caller frees them. */
function inputsOf<M extends AdaptableModel>(
  peft: PeftModel<M>,
  batch: Parameters<M["forward"]>[0],
  layers: ReadonlyMap<string, TunerLayer>,
  watched: readonly string[],
): Map<string, Tensor> {
  const inputs = new Map<string, Tensor>();
  for (const path of watched) layers.get(path)!.observer = (x) => void inputs.set(path, keep(x.detach()));
  try {
    noGrad(() => scope(() => void peft.forward(...([batch] as unknown as Parameters<M["forward"]>))));
    return inputs;
  } finally {
    for (const path of watched) layers.get(path)!.observer = null;
  }
}

/**
 * Replaces an adapter by a new one with this configuration and these initial values. Keys are file keys without
 * "base_model.model." in front.
 */
async function restart<M extends AdaptableModel>(
  peft: PeftModel<M>,
  name: string,
  config: PeftConfig,
  values: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  peft.deleteAdapter(name);
  // Warnings are ignored here, since they were reported when the adapter was first created.
  await peft.base_model.add({ name, config, loading: false }, () => {});
  const tensors = peft.adapterTensors(name);
  for (const [key, numbers] of values) {
    const target = tensors.get(`${filePrefix}${key}`)!;
    using start = tensor(numbers, { shape: target.shape, backend: target.storage.backend });
    noGrad(() => copyInto(target, start));
  }
  peft.setAdapter(name);
}

/**
 * Initialises a new adapter with EVA, like PEFT's function of this name. The rows of A become the directions in which
 * the layers' inputs on `batches` vary most; B stays zero. Layers whose leading directions explain more variance get
 * higher ranks, up to `rho` times the configured rank. The sum of all ranks does not change, and a layer with rank 0
 * loses its adapter. Requires an untrained adapter with `initLoraWeights: "eva"`; same as `startFromData`. Throws if a
 * batch has fewer tokens than a layer may have ranks. Paischer et al. 2024, https://arxiv.org/abs/2410.07170
 */
export async function initializeLoraEvaWeights<M extends AdaptableModel>(
  peft: PeftModel<M>,
  batches: Iterable<Parameters<M["forward"]>[0] & DataBatch>,
  options: { adapterName?: string } = {},
): Promise<void> {
  checkOptions("initializeLoraEvaWeights", options, { adapterName: true });
  const { adapterName = "default" } = options;
  const { config } = peft.base_model.adapter(adapterName);
  if ((config as { initLoraWeights?: unknown }).initLoraWeights !== "eva") {
    throw new Error(`initializeLoraEvaWeights: adapter "${adapterName}" is not LoRA with initLoraWeights: "eva"`);
  }
  await startFromData(peft, batches, { adapterName });
}
