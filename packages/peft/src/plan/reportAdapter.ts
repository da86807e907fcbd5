import {
  type BackendOp,
  bytesPerElement,
  type MetaBackend,
  noGrad,
  OptionError,
  type SafetensorsSpec,
  safetensorsFileLength,
  scope,
  sizeOf,
  type TensorRef,
} from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { QuantizeOptions } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import { safetensorsMetadata } from "../files/adapterFiles.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { FloatDType } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { type AdapterDescription, baseParameters, describeOn, replacingKeys } from "./describeAdapter.ts";
import { type ModelShapes, onShapes } from "./onShapes.ts";

import { trainedParameters } from "./shapeRuns.ts";
import { type PlannedOptimizer, traceOptimizer } from "./traceOptimizer.ts";

/** Ops that move elements without arithmetic. `countFlops` counts them as 0. */
const moves = new Set(
  "cat split expand embedding gather scatterAdd indexSelect permute slice place flip to where copyInto cacheWrite pagedWrite oneHot triangle".split(
    " ",
  ),
);

type Refs = readonly TensorRef[];

const lastOf = ({ shape }: TensorRef): number => shape[shape.length - 1];

/**
 * For each op that sums products, a function that returns the op's number of floating-point operations: two for each
 * product.
 */
const products: Readonly<Record<string, (inputs: Refs, outputs: Refs, params: never) => number>> = {
  matmul: ([a], [out], { transposeA }: { transposeA?: boolean } = {}) =>
    2 * sizeOf(out.shape) * a.shape[a.shape.length - (transposeA ? 2 : 1)],
  linearInt8: ([x], [out]) => 2 * sizeOf(out.shape) * lastOf(x),
  loraLinear: ([x, w, a], [out]) => {
    const rows = sizeOf(out.shape) / lastOf(out);
    return 2 * rows * (sizeOf(w.shape) + a.shape[0] * (lastOf(x) + lastOf(out)));
  },
  lowRankRows: ([y, x, ...factors], _outputs, { rows }: { rows: readonly (readonly number[])[] }) => {
    const each = sizeOf(x.shape) / (x.shape[0] * lastOf(x));
    const numbers = rows.reduce((sum, own, s) => sum + own.length * factors[2 * s].shape[0], 0);
    return 2 * each * numbers * (lastOf(x) + lastOf(y));
  },
  attention: ([q, k], _outputs, { causal, keyLength }: { causal?: boolean; keyLength?: number } = {}) => {
    const [batch, queries, heads, size] = q.shape;
    const keys = keyLength ?? k.shape[1];
    const pairs = causal ? queries * keys - (queries * (queries - 1)) / 2 : queries * keys;
    return 4 * batch * heads * size * pairs;
  },
  // One Gaussian elimination, and two triangular solves for each right-hand side.
  solve: ([a, b]) => {
    const n = lastOf(a);
    return (2 / 3) * n * sizeOf(a.shape) + 2 * n * sizeOf(b.shape);
  },
};

function flopsOf({ name }: BackendOp<never>, inputs: Refs, outputs: Refs, params: never): number {
  if (moves.has(name)) return 0;
  const product = products[name];
  if (product) return product(inputs, outputs, params);
  return outputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/**
 * Counts the floating-point operations of `fn`, which runs on a backend that computes only shapes. The backward pass is
 * not counted. A multiply-add counts as 2. An op without multiply-adds counts as 1 for each output element, or as 0 if
 * it only copies elements.
 */
export function countFlops(backend: MetaBackend, fn: () => unknown): number {
  let flops = 0;
  const { run } = backend;
  backend.run = (op, inputs, outputs, params) => {
    flops += flopsOf(op, inputs, outputs, params as never);
    run(op, inputs, outputs, params);
  };
  try {
    noGrad(() => scope(() => void fn()));
  } finally {
    backend.run = run;
  }
  return flops;
}

/** Options of `reportAdapter`. */
export interface ReportOptions {
  /** The dtype of the base model. Default: "f32". */
  dtype?: FloatDType;
  /** Quantisation of the base model's linear layers, as by `quantize` of @lowrank/nn. Default: none. */
  quantization?: QuantizeOptions | null;
  /** The optimiser, with default settings. Default: "adamw", with moments in f32. */
  optimizer?: PlannedOptimizer;
  /**
   * Length in tokens of the sequence for which floating-point operations are counted. Default: 512, or half of the
   * model's maximum length if that is smaller.
   */
  sequenceLength?: number;
}

/** Costs of one way to fine-tune a model, computed without training. Sizes are in bytes. */
export interface AdapterReport {
  /** The method's `peft_type`; null if the whole model is trained. */
  readonly peftType: string | null;
  /** Number of trainable elements. */
  readonly trainable: number;
  /** Number of elements of the base model and the adapter together. */
  readonly total: number;
  /** 100 * trainable / total. */
  readonly percent: number;
  /** Size of adapter_model.safetensors, or of all weights if the whole model trains. */
  readonly bytesSaved: number;
  /** Bytes of the trained parameters in memory. */
  readonly bytesTrained: number;
  /** Bytes that the optimiser keeps between steps. */
  readonly optimizerBytes: number;
  /** Bytes of the base model in memory. */
  readonly baseBytes: number;
  /** True if the adapter can be merged into the weights, so that inference is as fast as with the base model. */
  readonly mergeable: boolean;
  /** The extra cost of inference while the adapter is not merged. */
  readonly inference: InferenceOverhead;
  /** Contents of the adapter; null if the whole model is trained. */
  readonly adapter: AdapterDescription | null;
}

/** Additional cost of inference with an unmerged adapter. */
export interface InferenceOverhead {
  /**
   * Number of elements that the adapter needs in addition to the base model's. Elements that replace base parameters do
   * not count.
   */
  readonly parameters: number;
  /**
   * Floating-point operations that the adapter adds for each token. Null if the model has shapes only and cannot be
   * run.
   */
  readonly flopsPerToken: number | null;
  /** The base model's floating-point operations for each token; null if the model has shapes only and cannot be run. */
  readonly baseFlopsPerToken: number | null;
  /** Number of tokens in the forward pass from which operations were counted; 0 if none was run. */
  readonly sequenceLength: number;
}

/**
 * Reports what it costs to train an adapter, or the whole model if `config` is null. The model needs no weights:
 * layers, optimiser and a forward pass run with shapes only, and the results equal a real run's. Throws if no target
 * matches.
 */
export async function reportAdapter(
  model: ModelShapes,
  config: PeftConfig | null,
  options: ReportOptions = {},
): Promise<AdapterReport> {
  checkOptions("reportAdapter", options, { dtype: true, quantization: true, optimizer: true, sequenceLength: true });
  const { dtype = "f32", quantization = null, optimizer = "adamw", sequenceLength } = options;
  if (config === null && quantization) {
    throw new Error("reportAdapter: quantised weights cannot be trained; give an adapter, or leave quantization out");
  }
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => warnings.push(warning);
  const shapes = await onShapes(model, { adapter: config, dtype, quantization, onWarning });
  const { base, adapted, weights } = shapes;
  const trained = trainedParameters(adapted ?? base);
  const tokens = model.example?.rows ?? passLength(base, sequenceLength);
  const forward =
    model.example?.forward ?? ((model: AdaptableModel, backend: MetaBackend) => readTokens(model, backend, tokens));
  const flopsPerToken = (model: AdaptableModel): number | null =>
    tokens === 0 ? null : shapes.run((backend) => countFlops(backend, () => forward(model, backend))) / tokens;
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

/** Returns the number of tokens for the forward pass whose operations are counted; 0 if the model cannot be run. */
function passLength(base: AdaptableModel, wanted: number | undefined): number {
  const { maxPositions } = base as { maxPositions?: number };
  if (maxPositions === undefined) return 0;
  if (wanted !== undefined && wanted > maxPositions) {
    const problem = `is ${wanted}, but the model has ${maxPositions} positions; give ${maxPositions} or less`;
    throw new OptionError("reportAdapter", "sequenceLength", wanted, problem);
  }
  // Half of the model's positions, so that as many virtual tokens fit too.
  return wanted ?? Math.max(1, Math.min(512, Math.floor(maxPositions / 2)));
}

function readTokens(model: AdaptableModel, backend: MetaBackend, tokens: number): void {
  const inputIds = backend.tensor({ shape: [1, tokens], dtype: "i32" });
  (model.forward as (inputs: object) => unknown)({ inputIds });
}

/** Returns true if the adapter's method supports merging on every adapted layer. */
function isMergeable(peft: PeftModel): boolean {
  const layers = [...peft.namedModules()].flatMap(([, module]) => (module instanceof TunerLayer ? [module] : []));
  const { prompt } = peft.base_model.adapter("default");
  return prompt === null && layers.every((layer) => layer.get("default")?.merge !== undefined);
}

/**
 * Returns the number of elements that an adapter needs in addition to the base model's. Elements that replace base
 * parameters do not count.
 */
function heldNumbers(peft: PeftModel): number {
  const instead = new Set([...replacingKeys(peft), ...peft.base_model.tables("default").keys()]);
  // Layers with the same weight can share a tensor.
  const held = new Set([...peft.adapterTensors()].flatMap(([key, tensor]) => (instead.has(key) ? [] : [tensor])));
  // The adapters that the adapter mixes.
  for (const name of peft.peftConfig.keys()) {
    if (name !== "default") for (const tensor of peft.base_model.trained(name).values()) held.add(tensor);
  }
  return [...held].reduce((sum, { size }) => sum + size, 0);
}
