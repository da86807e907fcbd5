import { type MetaBackend, meta, type Shape, type TensorSpec, withBackend } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import { getPeftModel, type PeftModel } from "../peftModel.ts";
import type { BuiltModel, PlannableModel } from "./plannableModel.ts";

/** A model made on shapes, perhaps with an adapter, and how to run it there. */
export interface OnShapes<A> {
  readonly base: BuiltModel;
  readonly adapted: A extends PeftConfig ? PeftModel<BuiltModel> : null;
  run<T>(fn: (backend: MetaBackend) => T): T;
}

/** Makes a model on a `meta` backend, its parameters stored as `spec` says. Without an adapter all of them train. */
export function onShapes<A extends PeftConfig | null>(
  model: PlannableModel,
  adapter: A,
  spec: (name: string, shape: Shape) => TensorSpec,
  onWarning: (message: string) => void,
): OnShapes<A> {
  const backend = meta();
  const requiresGrad = adapter === null;
  return withBackend(backend, () => {
    const base = model.build((name, shape) => new Parameter(backend.tensor(spec(name, shape)), { requiresGrad }));
    const adapted = adapter && getPeftModel(base, adapter, { onWarning });
    return {
      base,
      adapted: adapted as OnShapes<A>["adapted"],
      run: (fn) => withBackend(backend, () => fn(backend)),
    };
  });
}
