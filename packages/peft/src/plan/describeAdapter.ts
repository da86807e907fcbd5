import { type Shape, safetensorsFileLength, sizeOf } from "@lowrank/core";
import { safetensorsMetadata } from "../adapterFiles.ts";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { TargetReport } from "../targets/matchTargets.ts";
import { onShapes } from "./onShapes.ts";
import type { PlannableModel } from "./plannableModel.ts";

/** What an adapter will be on a model. */
export interface AdapterDescription {
  /** With its targets said in full. */
  readonly config: PeftConfig;
  readonly report: TargetReport;
  /** The tensors of its file, all f32, by key. */
  readonly tensors: readonly { readonly name: string; readonly shape: Shape }[];
  /** How many numbers train, and how many the base model has. */
  readonly trainable: number;
  readonly base: number;
  /** Length of its adapter_model.safetensors. */
  readonly fileBytes: number;
  readonly warnings: readonly string[];
}

/**
 * What a configuration comes to on a model without weights, as `describeModel` of @lowrank/models gives it. The method's
 * own layers are made over shapes, so parameters and file are those of the real adapter. Throws where nothing matches.
 */
export function describeAdapter(model: PlannableModel, config: PeftConfig): AdapterDescription {
  const warnings: string[] = [];
  const { adapted: peft } = onShapes(model, { adapter: config, onWarning: (message) => warnings.push(message) });
  const tensors = Array.from(peft.adapterTensors(), ([name, { shape, dtype }]) => ({ name, shape, dtype }));
  return {
    config: peft.peftConfig.get("default") as PeftConfig,
    report: peft.targetReport as TargetReport,
    tensors: tensors.map(({ name, shape }) => ({ name, shape })),
    trainable: peft.getNbTrainableParameters().trainable,
    base: model.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    fileBytes: safetensorsFileLength(tensors, safetensorsMetadata),
    warnings,
  };
}
