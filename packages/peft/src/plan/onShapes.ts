import {
  type Backend,
  isPacked,
  type MatmulPrecision,
  type MetaBackend,
  type MetaBuffer,
  meta,
  withBackend,
} from "@lowrank/core";
import { Parameter, type QuantizeOptions, quantize } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import type { FloatDType } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import type { ModelShapes } from "./plannableModel.ts";

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
  /** The backend whose kernels to assume. Default: a backend with a kernel for every op. */
  backend?: Backend;
  onWarning: OnWarning;
}

/** A model without data, with an adapter if requested. `run` runs code on the model's backend. */
export interface OnShapes<A, M extends AdaptableModel> {
  readonly base: M;
  /** Elements and bytes of the base model's parameters: `quantized` for quantised ones, `rest` for all others. */
  readonly weights: { readonly quantized: Part; readonly rest: Part };
  readonly adapted: A extends PeftConfig ? PeftModel<M> : null;
  run<T>(fn: (backend: MetaBackend) => T): T;
}

/** Builds a model on a `meta` backend, which has shapes but no data. */
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
