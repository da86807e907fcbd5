import {
  bytesPerElement,
  checkOptions,
  type MetaBackend,
  type OptionKeys,
  type SafetensorsSpec,
  safetensorsFileLength,
} from "@lowrank/core";
import type { QuantizeOptions } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import { safetensorsMetadata } from "../files/adapterFiles.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { FloatDType } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptableModel.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { countFlops } from "./countFlops.ts";
import { type AdapterDescription, baseParameters, describeOn, replacingKeys } from "./describeAdapter.ts";
import { onShapes } from "./onShapes.ts";

import type { ModelShapes } from "./plannableModel.ts";
import { trainedParameters } from "./shapeRuns.ts";
import { type PlannedOptimizer, traceOptimizer } from "./traceOptimizer.ts";

/** Options of `reportAdapter`. */
export interface ReportOptions {
  /** The dtype of the base model. Default "f32". */
  dtype?: FloatDType;
  /** The quantisation of its linear layers, by `quantize` of @lowrank/nn. Default: none. */
  quantization?: QuantizeOptions | null;
  /** Default "adamw", with moments in f32. */
  optimizer?: PlannedOptimizer;
  /**
   * Tokens of the forward pass whose operations are counted. Default 512, or where the model ends.
   */
  sequenceLength?: number;
}

/** The costs of one way of fine-tuning a model, before anything is trained. Sizes in bytes. */
export interface AdapterReport {
  /** PEFT's name of the method; null where the whole model trains. */
  readonly peftType: string | null;
  /** Number of trained values. */
  readonly trainable: number;
  /** Those of the base model and of the adapter. */
  readonly total: number;
  /** 100 * trainable / total. */
  readonly percent: number;
  /** Length of adapter_model.safetensors, or of all weights where the whole model trains. */
  readonly bytesSaved: number;
  /** Bytes of the trained parameters in memory. */
  readonly bytesTrained: number;
  /** Bytes that the optimiser keeps between steps. */
  readonly optimizerBytes: number;
  /** The base model in memory. */
  readonly baseBytes: number;
  /** True if the adapter can be merged into the weights, so that inference costs nothing more. */
  readonly mergeable: boolean;
  /** The costs that inference adds to the base model's while the adapter is not merged. */
  readonly inference: InferenceOverhead;
  /** The description of the adapter; null if the whole model trains. */
  readonly adapter: AdapterDescription | null;
}

/** The costs that an adapter adds to inference. */
export interface InferenceOverhead {
  /** Numbers that are held beside the base model's. */
  readonly parameters: number;
  /**
   * Floating-point operations more than the base model's, for each token; null for a
   * model known by shapes alone.
   */
  readonly flopsPerToken: number | null;
  /** The base model's own. */
  readonly baseFlopsPerToken: number | null;
  /** Tokens in the pass that was counted; 0 where there was none. */
  readonly sequenceLength: number;
}

/**
 * Reports the costs of a configuration, or without one of training the whole model, on a model
 * without weights. Layers, optimiser and a forward pass are made over shapes, so all numbers are
 * those of the real run. Throws if nothing matches.
 */
export async function reportAdapter(
  model: ModelShapes,
  config: PeftConfig | null,
  options: ReportOptions = {},
): Promise<AdapterReport> {
  const reportKeys: OptionKeys<ReportOptions> = {
    dtype: true,
    quantization: true,
    optimizer: true,
    sequenceLength: true,
  };
  checkOptions("reportAdapter", options, reportKeys);
  const { dtype = "f32", quantization = null, optimizer = "adamw", sequenceLength } = options;
  if (config === null && quantization) {
    throw new Error("reportAdapter: quantised weights cannot be trained; give an adapter, or leave quantization out");
  }
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => warnings.push(warning);
  const shapes = await onShapes(model, { adapter: config, dtype, quantization, onWarning });
  const { base, adapted, weights } = shapes;
  const trained = trainedParameters(adapted ?? base);
  const tokens = passLength(base, sequenceLength);
  const flopsPerToken = (model: AdaptableModel): number | null =>
    tokens === 0 ? null : shapes.run((backend) => countFlops(backend, () => forward(model, backend, tokens))) / tokens;
  const common = {
    optimizerBytes: traceOptimizer(optimizer, trained).held,
    baseBytes: weights.quantized.bytes + weights.rest.bytes,
  };
  if (adapted === null) {
    const baseFlopsPerToken = flopsPerToken(base);
    const added = baseFlopsPerToken === null ? null : 0;
    const total = baseParameters(model);
    return {
      ...{ peftType: null, trainable: total, total, percent: 100, ...common },
      bytesSaved: safetensorsFileLength(savedTensors(model, dtype), safetensorsMetadata),
      bytesTrained: common.baseBytes,
      mergeable: true,
      inference: { parameters: 0, flopsPerToken: added, baseFlopsPerToken, sequenceLength: tokens },
      adapter: null,
    };
  }
  adapted.eval();
  const adapter = { ...describeOn(adapted, dtype), base: baseParameters(model), warnings };
  const { trainable } = adapter;
  const { all: total } = adapted.getNbTrainableParameters();
  const adaptedFlops = flopsPerToken(adapted);
  const baseFlopsPerToken = adapted.disableAdapter(() => flopsPerToken(base));
  const added = adaptedFlops === null || baseFlopsPerToken === null ? null : adaptedFlops - baseFlopsPerToken;
  return {
    ...{ peftType: adapter.config.peftType, trainable, total, percent: (100 * trainable) / total, ...common },
    bytesSaved: adapter.fileBytes,
    bytesTrained: trained.reduce((sum, { size }) => sum + bytesPerElement("f32") * size, 0),
    mergeable: isMergeable(adapted),
    inference: { parameters: heldNumbers(adapted), flopsPerToken: added, baseFlopsPerToken, sequenceLength: tokens },
    adapter,
  };
}

function savedTensors({ parameters }: ModelShapes, dtype: FloatDType): SafetensorsSpec[] {
  return parameters.map(({ name, shape }) => ({ name, shape, dtype }));
}

/** Tokens of the pass whose operations are counted; 0 for a model that is known by shapes alone. */
function passLength(base: AdaptableModel, wanted: number | undefined): number {
  const { maxPositions } = base as { maxPositions?: number };
  if (maxPositions === undefined) return 0;
  // Room for as many virtual tokens.
  return wanted ?? Math.max(1, Math.min(512, Math.floor(maxPositions / 2)));
}

function forward(model: AdaptableModel, backend: MetaBackend, tokens: number): void {
  const inputIds = backend.tensor({ shape: [1, tokens], dtype: "i32" });
  (model.forward as (inputs: object) => unknown)({ inputIds });
}

/** Returns true if every layer that carries the adapter can have it merged into its weights. */
function isMergeable(peft: PeftModel): boolean {
  const layers = [...peft.namedModules()].flatMap(([, module]) => (module instanceof TunerLayer ? [module] : []));
  const { prompt } = peft.base_model.adapter("default");
  return prompt === null && layers.every((layer) => layer.get("default")?.merge !== undefined);
}

/** Numbers of an adapter's file that stand beside the base model's and not in their place. */
function heldNumbers(peft: PeftModel): number {
  const instead = new Set([...replacingKeys(peft), ...peft.base_model.tables("default").keys()]);
  return [...peft.adapterTensors()].reduce((sum, [key, { size }]) => sum + (instead.has(key) ? 0 : size), 0);
}
