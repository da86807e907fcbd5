import { type SafetensorsSpec, safetensorsFileLength, sizeOf } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import { weightsMetadata } from "../files/adapterFiles.ts";
import { SavedModule } from "../layers/savedModule.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import { fileSpecs } from "../methods/shared/fileForm.ts";
import { LayerCopy } from "../methods/shared/layerCopy.ts";
import { fileFormOf, isPromptMethod } from "../methods/shared/method.ts";
import type { FloatDType } from "../methods/shared/methodFacts.ts";
import { filePrefix, sharedPrefix } from "../model/adapter/adapter.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import type { TargetReport } from "../targets/matchTargets.ts";
import { type ModelShapes, onShapes } from "./onShapes.ts";

/** Contents of an adapter on a certain model. */
export interface AdapterDescription {
  /** The configuration, with `targetModules` resolved to full module paths. */
  readonly config: PeftConfig;
  readonly report: TargetReport;
  /** Name, dtype and shape of each tensor in the adapter's file. */
  readonly tensors: readonly SafetensorsSpec[];
  /** Number of trainable elements. */
  readonly trainable: number;
  /** Number of elements in the base model. */
  readonly base: number;
  /** Size of the adapter's adapter_model.safetensors in bytes. */
  readonly fileBytes: number;
  /** Reason that rows of one batch cannot use different adapters of this kind; null if they can. */
  readonly rowProblem: string | null;
  readonly warnings: readonly Warning[];
}

/** Options of `describeAdapter`. */
export interface DescribeAdapterOptions {
  /**
   * The base model's dtype. Tensors that PEFT copies from the base model into the adapter file (fully trained modules,
   * biases, embedding tables, adaption prompts) have this dtype too. Other tensors are f32. Default: "f32".
   */
  dtype?: FloatDType;
}

/**
 * Describes an adapter on a model without weights, such as `describeModel` of @lowrank/models returns. The adapter's
 * layers are created with shapes only. The numbers of parameters and the file size are the same as for a real adapter.
 * Throws if no target matches.
 */
export async function describeAdapter(
  model: ModelShapes,
  config: PeftConfig,
  options: DescribeAdapterOptions = {},
): Promise<AdapterDescription> {
  checkOptions("describeAdapter", options, { dtype: true });
  const { dtype = "f32" } = options;
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => warnings.push(warning);
  const { adapted } = await onShapes(model, { adapter: config, dtype, onWarning });
  return { ...describeOn(adapted, dtype), base: baseParameters(model), warnings };
}

function rowProblemOf(peft: PeftModel): string | null {
  try {
    peft.withAdapterNames(["default"], () => undefined);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Returns the total number of elements in a model's parameters. */
export function baseParameters(model: ModelShapes): number {
  return model.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** Describes the adapter "default" of a model that has only shapes. */
export function describeOn(
  peft: PeftModel,
  dtype: FloatDType,
): Pick<AdapterDescription, "config" | "report" | "tensors" | "trainable" | "fileBytes" | "rowProblem"> {
  const config = peft.peftConfig.get("default") as PeftConfig;
  const { method } = peft.base_model.adapter("default");
  const copied = copiedKeys(peft);
  const tensors = fileSpecs(peft.adapterTensors(), fileFormOf(method, config)).map((spec) => {
    if (spec.dtype === "i32") return { ...spec, dtype: method.integersInFiles ?? spec.dtype };
    return copied.has(spec.name) ? { ...spec, dtype } : spec;
  });
  return {
    config,
    report: peft.targetReport as TargetReport,
    tensors,
    trainable: peft.getNbTrainableParameters().trainable + countedConstants(peft, dtype),
    fileBytes: safetensorsFileLength(tensors, weightsMetadata(method)),
    rowProblem: rowProblemOf(peft),
  };
}

/** Returns the keys of tensors that PEFT saves in the base model's dtype instead of f32. */
function copiedKeys(peft: PeftModel): ReadonlySet<string> {
  const { method, shared } = peft.base_model.adapter("default");
  if (method.followsBaseDtype) return new Set(peft.base_model.trained("default").keys());
  const buffers = method.buffersFollowBaseDtype ? peft.base_model.buffers("default").keys() : [];
  const common = method.sharedFollowBaseDtype ? Object.keys(shared.parameters ?? {}) : [];
  return new Set([...replacingKeys(peft), ...buffers, ...common.map((key) => `${sharedPrefix}${key}`)]);
}

/** Returns the number of elements that PEFT counts as trainable although they are constant. */
function countedConstants(peft: PeftModel, dtype: FloatDType): number {
  const { method } = peft.base_model.adapter("default");
  const counted = method.countedConstants?.(dtype) ?? 0;
  return counted * [...peft.namedModules()].filter(([, module]) => module instanceof TunerLayer).length;
}

/**
 * Returns the keys of tensors that replace base model tensors instead of adding to them: biases, norms, fully trained
 * modules.
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
