import {
  type Backend,
  isPacked,
  type MatmulPrecision,
  type MetaBackend,
  type MetaBuffer,
  meta,
  type Shape,
  type Tensor,
  withBackend,
} from "@lowrank/core";
import { Parameter, type QuantizeOptions, quantize } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import type { FloatDType } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";

/** Some of a model's parameters: their number of elements and their size in bytes. */
export interface Part {
  readonly parameters: number;
  readonly bytes: number;
}

/** Options of `onShapes`. */
export interface ShapesOptions<A> {
  /** The adapter to add. Null: no adapter, the whole model is trained. */
  adapter: A;
  dtype?: FloatDType;
  quantization?: QuantizeOptions | null;
  /** The precision of matrix products with the model's weights. */
  precision?: MatmulPrecision;
  /**
   * The backend for which to plan. An op for which it has no kernel is planned as the ops that it is composed of.
   * Default: a backend with a kernel for every op.
   */
  backend?: Backend;
  onWarning: OnWarning;
}

/**
 * A model whose tensors have shapes but no values. `adapted` is the model with the requested adapter, or null. `run`
 * calls a function with the model's backend as the current backend.
 */
export interface OnShapes<A, M extends AdaptableModel> {
  readonly base: M;
  /** Elements and bytes of the base model's parameters: `quantized` for quantised ones, `rest` for all others. */
  readonly weights: { readonly quantized: Part; readonly rest: Part };
  readonly adapted: A extends PeftConfig ? PeftModel<M> : null;
  run<T>(fn: (backend: MetaBackend) => T): T;
}

/**
 * Builds a model on a `meta` backend, whose tensors have shapes but no values, and adds the adapter, if one is given.
 */
export async function onShapes<A extends PeftConfig | null, M extends AdaptableModel>(
  model: ModelShapes<M>,
  { adapter, dtype = "f32", quantization = null, precision, backend: like, onWarning }: ShapesOptions<A>,
): Promise<OnShapes<A, M>> {
  const backend = meta({ like });
  const requiresGrad = adapter === null;
  const run = <T>(fn: (backend: MetaBackend) => T) => withBackend(backend, () => fn(backend));
  const base = run(() =>
    model.build((_name, shape) => new Parameter(backend.tensor({ shape, dtype }), { requiresGrad })),
  );
  if (quantization) await quantize(base, quantization);
  const parameters = [...base.parameters()];
  for (const parameter of parameters) parameter.precision = precision;
  const weights = {
    quantized: partOf(parameters.filter((parameter) => isPacked(parameter.dtype))),
    rest: partOf(parameters.filter((parameter) => !isPacked(parameter.dtype))),
  };
  const adapted = (adapter && (await getPeftModel(base, adapter, { onWarning }))) as OnShapes<A, M>["adapted"];
  return { base, weights, adapted, run };
}

function partOf(parameters: readonly Parameter[]): Part {
  return {
    parameters: parameters.reduce((sum, { size }) => sum + size, 0),
    bytes: parameters.reduce((sum, { storage }) => sum + (storage.buffer as MetaBuffer).planned, 0),
  };
}

/**
 * The shapes of a model's parameters, and a function that builds the model. Enough to describe adapters without running
 * the model.
 */
export interface ModelShapes<M extends AdaptableModel = AdaptableModel> {
  readonly modelType: string;
  /** The parameters by their names in checkpoints. Tied parameters are listed once. */
  readonly parameters: readonly { readonly name: string; readonly shape: Shape }[];
  /** Builds the model. `source` returns the parameter with a given name and shape. */
  build(source: (name: string, shape: Shape) => Parameter): M;
  /** An example to run the model on. Absent for language models, which run on token ids. */
  readonly example?: ModelExample;
}

/** A batch on which a module of any kind runs, to count its operations and its memory. */
export interface ModelExample {
  /** Number of rows in the batch. Operations are reported per row. */
  readonly rows: number;
  /** Runs a forward pass of the model, or of the model with an adapter. */
  forward(model: AdaptableModel): unknown;
  /** Computes the loss of a training step, a scalar. */
  loss(model: AdaptableModel): Tensor;
}

/**
 * Describes a model without weights. The model that `build` returns can run with shapes only. `describeModel` of
 * @lowrank/models returns such a description.
 */
export type PlannableModel = ModelShapes<BuiltModel>;

/** A model that can run one training step. */
export interface BuiltModel extends AdaptableModel {
  /** The maximum number of tokens in a sequence. */
  readonly maxPositions: number;
  /** The virtual tokens that a prompt adapter puts before every sequence. Null or undefined if there are none. */
  readonly virtualTokens?: { readonly count: number } | null;
  loss(inputs: { inputIds: Tensor; labels: Tensor }): Tensor;
  gradientCheckpointingEnable(): unknown;
  /** Creates a cache for generation. Models that do not generate lack this and `nextLogits`. */
  createCache?(batch: number, capacity: number): object;
  nextLogits?(inputs: { inputIds: Tensor; cache: never }): Tensor;
}
