import { add, isGradEnabled, scope, type Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import { TunerLayer } from "../layers/tunerLayer.ts";
import { isPromptMethod } from "../methods/shared/method.ts";
import type { Tuner } from "./tuner.ts";

/** A model that accepts adapters: any module with a `forward`. */
export interface AdaptableModel extends Module {
  forward(...inputs: never[]): unknown;
}

/** Types of the inputs and the result of `M`'s `loss`. `never` if `M` lacks a `loss`. */
export type LossOf<M> = M extends { loss(...inputs: infer I): infer L }
  ? { inputs: I; loss: L }
  : { inputs: never[]; loss: never };

/**
 * Returns the model's loss. While gradients are recorded, adds the terms that the active adapters' methods define, such
 * as AdaLoRA's orthogonality penalty. Throws if the model has no `loss` method.
 */
export function adaptedLoss<M extends AdaptableModel>(tuner: Tuner<M>, inputs: LossOf<M>["inputs"]): LossOf<M>["loss"] {
  const model = tuner.model as unknown as { loss?: (...inputs: unknown[]) => LossOf<M>["loss"] };
  if (!model.loss) throw new Error(`${tuner.model.constructor.name} has no loss; compute it from forward`);
  const run = model.loss.bind(model);
  return scope(() => {
    const loss = run(...inputs);
    if (!isGradEnabled()) return loss;
    const penalties = tuner.acting.map((name) => penaltyOf(tuner, name)).filter((penalty) => penalty !== null);
    return penalties.reduce((sum, penalty) => add(sum, penalty), loss as Tensor) as LossOf<M>["loss"];
  });
}

/** Returns the term that an adapter's method adds to the training loss, or null if it adds none. */
function penaltyOf(tuner: Tuner<AdaptableModel>, name: string): Tensor | null {
  const { method, config, trainable } = tuner.adapter(name);
  if (!trainable || isPromptMethod(method)) return null;
  const layers = [...tuner.wrappers.values()].flatMap((w) => (w instanceof TunerLayer && w.get(name)) || []);
  if (method.penalty) return method.penalty(config, layers);
  const terms = layers.flatMap((layer) => layer.penalty?.(layers) ?? []);
  return terms.length > 0 ? terms.reduce((sum, term) => add(sum, term)) : null;
}
