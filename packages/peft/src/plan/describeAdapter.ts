import { type SafetensorsSpec, safetensorsFileLength, sizeOf } from "@lowrank/core";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import { weightsMetadata } from "../files/adapterFiles.ts";
import { SavedModule } from "../layers/savedModule.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import { fileSpecs } from "../methods/fileForm.ts";
import { LayerCopy } from "../methods/layerCopy.ts";
import { fileFormOf, isPromptMethod } from "../methods/method.ts";
import type { FloatDType } from "../methods/methodFacts.ts";
import { filePrefix, sharedPrefix } from "../model/adapter.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import type { TargetReport } from "../targets/matchTargets.ts";
import { onShapes } from "./onShapes.ts";
import type { ModelShapes } from "./plannableModel.ts";

/** What an adapter will be on a model. */
export interface AdapterDescription {
  /** With its targets said in full. */
  readonly config: PeftConfig;
  readonly report: TargetReport;
  /** The tensors of its file, by key. */
  readonly tensors: readonly SafetensorsSpec[];
  /** How many numbers train, and how many the base model has. */
  readonly trainable: number;
  readonly base: number;
  /** Length of its adapter_model.safetensors. */
  readonly fileBytes: number;
  readonly warnings: readonly Warning[];
}

/** How `describeAdapter` reckons. */
export interface DescribeAdapterOptions {
  /**
   * How the base model is stored. What PEFT copies out of it into the file has its dtype: modules
   * trained whole, biases, tables, adaption prompts. All else is f32. Default "f32".
   */
  dtype?: FloatDType;
}

/**
 * What a configuration comes to on a model without weights, as `describeModel` of @lowrank/models
 * gives it. The method's own layers are made over shapes, so parameters and file are those of the
 * real adapter. Throws where nothing matches.
 */
export async function describeAdapter(
  model: ModelShapes,
  config: PeftConfig,
  { dtype = "f32" }: DescribeAdapterOptions = {},
): Promise<AdapterDescription> {
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => warnings.push(warning);
  const { adapted } = await onShapes(model, { adapter: config, dtype, onWarning });
  return { ...describeOn(adapted, dtype), base: baseParameters(model), warnings };
}

/** How many numbers a model has. */
export function baseParameters(model: ModelShapes): number {
  return model.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** What can be read off an adapter on a model over shapes. */
export function describeOn(
  peft: PeftModel,
  dtype: FloatDType,
): Pick<AdapterDescription, "config" | "report" | "tensors" | "trainable" | "fileBytes"> {
  const config = peft.peftConfig.get("default") as PeftConfig;
  const { method } = peft.base_model.adapter("default");
  const copied = copiedKeys(peft);
  const tensors = fileSpecs(peft.adapterTensors(), fileFormOf(method, config)).map((spec) =>
    copied.has(spec.name) ? { ...spec, dtype } : spec,
  );
  return {
    config,
    report: peft.targetReport as TargetReport,
    tensors,
    trainable: peft.getNbTrainableParameters().trainable + countedConstants(peft, dtype),
    fileBytes: safetensorsFileLength(tensors, weightsMetadata(method)),
  };
}

/** Keys of what PEFT leaves in the base model's dtype: what it copies out of it, for one. */
function copiedKeys(peft: PeftModel): ReadonlySet<string> {
  const { method } = peft.base_model.adapter("default");
  return method.followsBaseDtype ? new Set(peft.base_model.trained("default").keys()) : replacingKeys(peft);
}

/** The numbers beside what trains that PEFT counts as trained. */
function countedConstants(peft: PeftModel, dtype: FloatDType): number {
  const { method } = peft.base_model.adapter("default");
  const counted = method.countedConstants?.(dtype) ?? 0;
  return counted * [...peft.namedModules()].filter(([, module]) => module instanceof TunerLayer).length;
}

/**
 * Keys of what stands in the place of the base model's own: biases, norms, modules trained whole.
 */
export function replacingKeys({ base_model: tuner }: PeftModel): ReadonlySet<string> {
  const { method, swaps } = tuner.adapter("default");
  const prefix = isPromptMethod(method) ? sharedPrefix : filePrefix;
  const keys = new Set([...swaps.keys(), ...tuner.repeatedBiases("default").keys()]);
  for (const [path, module] of tuner.model.namedModules()) {
    const copied = module instanceof TunerLayer && module.get("default") instanceof LayerCopy;
    if (!(copied || module instanceof SavedModule)) continue;
    for (const key of module.tensors("default").keys()) keys.add(`${prefix}${path}.${key}`);
  }
  return keys;
}
