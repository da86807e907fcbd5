import { type Tensor, tensor } from "@lowrank/core";
import type { LabelledInputs } from "@lowrank/models";
import type { Batch } from "./collate.ts";

/** A model that can be trained: a `CausalLM`, or a `PeftModel` over one. */
export interface TrainableModel {
  /** Mean cross-entropy over the labels that are not -100, in nats. */
  loss(inputs: LabelledInputs): Tensor;
  namedParameters(): Iterable<[string, Tensor]>;
  namedModules(): Iterable<[string, object]>;
  /** Called after each optimiser step, counted from 0, while gradients are there: AdaLoRA gives out ranks. */
  updateAndAllocate?(step: number): Promise<void>;
  /** What a checkpoint must hold for that, by name; the caller frees it. */
  allocationState?(): Map<string, Tensor>;
  /** Takes such a state back. */
  setAllocationState?(state: ReadonlyMap<string, Tensor>): Promise<void>;
  train(): unknown;
  eval(): unknown;
}

/** Puts a batch on the backend; the mask only where there is padding. Free with the running scope. */
export function toInputs(batch: Batch): LabelledInputs {
  const shape = [batch.batchSize, batch.length];
  return {
    inputIds: tensor(batch.inputIds, { shape }),
    labels: tensor(batch.labels, { shape }),
    attentionMask: batch.attentionMask.includes(0) ? tensor(batch.attentionMask, { shape }) : null,
  };
}
