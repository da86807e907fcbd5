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
import { filePrefix, sharedPrefix } from "../model/adapter.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import type { TargetReport } from "../targets/matchTargets.ts";
import { onShapes } from "./onShapes.ts";
import type { ModelShapes } from "./plannableModel.ts";

/** The description of an adapter on a model. */
export interface AdapterDescription {
  /** The configuration, with targets resolved to full names. */
  readonly config: PeftConfig;
  readonly report: TargetReport;
  /** The tensors of its file, with names, dtypes and shapes. */
  readonly tensors: readonly SafetensorsSpec[];
  /** Number of trainable elements, and of the base model's elements. */
  readonly trainable: number;
  readonly base: number;
  /** Size of its adapter_model.safetensors in bytes. */
  readonly fileBytes: number;
  /** The reason why rows of one batch cannot use different adapters of this kind; null if they can. */
  readonly rowProblem: string | null;
  readonly warnings: readonly Warning[];
}

/** Options of `describeAdapter`. */
export interface DescribeAdapterOptions {
  /**
   * The dtype of the base model. Tensors that PEFT copies from it into the file have this dtype: modules trained whole,
   * biases, tables, adaption prompts. All others are f32. Default: "f32".
   */
  dtype?: FloatDType;
}

/**
 * Describes an adapter on a model without weights, which `describeModel` of @lowrank/models returns. The method's
 * layers are created on shapes only, so parameters and file equal the real adapter's. Throws if no target matches.
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

/** Returns the number of elements of a model's parameters. */
export function baseParameters(model: ModelShapes): number {
  return model.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** Describes an adapter on a model that has only shapes. */
export function describeOn(
  peft: PeftModel,
  dtype: FloatDType,
): Pick<AdapterDescription, "config" | "report" | "tensors" | "trainable" | "fileBytes" | "rowProblem"> {
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
    rowProblem: rowProblemOf(peft),
  };
}

/** Returns the keys of the tensors that PEFT stores in the base model's dtype, such as copies of its tensors. */
function copiedKeys(peft: PeftModel): ReadonlySet<string> {
  const { method } = peft.base_model.adapter("default");
  return method.followsBaseDtype ? new Set(peft.base_model.trained("default").keys()) : replacingKeys(peft);
}

/** Returns the number of constant elements that PEFT counts as trainable. */
function countedConstants(peft: PeftModel, dtype: FloatDType): number {
  const { method } = peft.base_model.adapter("default");
  const counted = method.countedConstants?.(dtype) ?? 0;
  return counted * [...peft.namedModules()].filter(([, module]) => module instanceof TunerLayer).length;
}

/** Returns the keys of tensors that replace tensors of the base model: biases, norms, modules trained whole. */
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
