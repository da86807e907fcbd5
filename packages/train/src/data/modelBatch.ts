import { type Backend, type MatmulPrecision, type Tensor, tensor, withBackend } from "@lowrank/core";
import type { LabelledInputs, ProblemType } from "@lowrank/models";
import type { Batch } from "./collate.ts";
import type { SequenceBatch } from "./collateSequences.ts";
import type { Rows } from "./padRows.ts";

/** A module that can be trained with a custom loss: any `Module`, including `PeftModel`. */
export interface TrainableModule {
  namedParameters(): Iterable<[string, Tensor & { precision?: MatmulPrecision }]>;
  namedModules(): Iterable<[string, object]>;
  /** Tensors that a forward pass changes, such as running means. */
  namedBuffers?(): Iterable<[string, Tensor]>;
  /** Called after each optimiser step, counted from 0, while the gradients exist. AdaLoRA reallocates ranks in it. */
  updateAndAllocate?(step: number): Promise<void>;
  /** Returns the state of that allocation for a checkpoint, by name. The caller frees it. */
  allocationState?(): Map<string, Tensor>;
  /** Restores such a state. */
  setAllocationState?(state: ReadonlyMap<string, Tensor>): Promise<void>;
  /** Returns the adapters' files by name, for a checkpoint. */
  adapterFiles?(): Promise<ReadonlyMap<string, Uint8Array | string>>;
  /** Returns true for an adapter that cannot train together with others in a batch. */
  trainsAlone?(adapterName: string): boolean;
  /** Runs `fn` on batches whose rows use these adapters. */
  withAdapterNames?<T>(adapterNames: readonly string[], fn: () => T): T;
  /** Runs `fn` on the base model, without adapters. */
  disableAdapter?<T>(fn: () => T): T;
  train(): unknown;
  eval(): unknown;
}

/** A model that can be trained: a `CausalLM`, a `SequenceClassifier`, or a `PeftModel` over one. */
export interface TrainableModel extends TrainableModule {
  /**
   * Returns the mean loss over the labels that are not -100: cross-entropy in nats if tokens or classes are predicted.
   */
  loss(inputs: LabelledInputs): Tensor;
}

/** Runs `fn` with the adapters that the rows of a batch name, if they do. Throws for a model without adapters. */
export function withRows<T>(model: TrainableModule, { adapterNames }: Pick<Rows, "adapterNames">, fn: () => T): T {
  if (adapterNames === undefined) return fn();
  if (model.withAdapterNames) return model.withAdapterNames(adapterNames, fn);
  throw new Error(
    `the examples name adapters (${[...new Set(adapterNames)].join(", ")}), and the model has none; give a PeftModel`,
  );
}

/** Returns the backend of a model's parameters. */
export function backendOf(model: Pick<TrainableModel, "namedParameters">): Backend {
  for (const [, parameter] of model.namedParameters()) return parameter.storage.backend;
  throw new Error("the model has no parameters");
}

/** The properties of a base model that determine its batches. */
interface BaseModel {
  readonly problemType?: ProblemType;
  /** True if each token is classified, instead of predicting the next one. */
  readonly classifiesTokens?: boolean;
  readonly virtualTokens?: { readonly kind: string } | null;
  readonly config?: { readonly padTokenId?: number | null; readonly labels?: readonly string[] };
}

/** Returns the model without its adapters, or the model itself. */
export function baseOf(model: TrainableModel): BaseModel {
  return ((model as { baseModel?: BaseModel }).baseModel ?? model) as BaseModel;
}

/**
 * Writes a batch to the model's backend; the mask only if there is padding. Class labels become i32, other sequence
 * labels f32. The current scope frees the tensors. Throws for labels of another kind than the model's.
 */
export function toInputs(
  batch: Batch | SequenceBatch,
  model: TrainableModel,
): LabelledInputs & { tokenTypeIds?: Tensor } {
  const shape = [batch.batchSize, batch.length];
  const { tokenTypeIds } = batch as Partial<SequenceBatch>;
  return withBackend(backendOf(model), () => ({
    inputIds: tensor(batch.inputIds, { shape }),
    labels: "labelShape" in batch ? sequenceLabels(batch, model) : tokenLabels(batch, model, shape),
    attentionMask: batch.attentionMask.includes(0) ? tensor(batch.attentionMask, { shape }) : null,
    ...batch.furtherInputs?.(),
    ...(tokenTypeIds && { tokenTypeIds: tensor(tokenTypeIds, { shape }) }),
  }));
}

function tokenLabels({ labels }: Batch, model: TrainableModel, shape: readonly number[]): Tensor {
  if (baseOf(model).problemType === undefined) return tensor(labels, { shape });
  throw new Error("the model classifies sequences, but the examples have a label for each token; give each one label");
}

function sequenceLabels({ labels, labelShape }: SequenceBatch, model: TrainableModel): Tensor {
  const { problemType } = baseOf(model);
  if (problemType === undefined) {
    throw new Error(
      "the examples have a label for each sequence, but the model classifies none; give labels for tokens",
    );
  }
  const dtype = problemType === "single_label_classification" ? "i32" : "f32";
  return tensor(labels, { shape: labelShape, dtype });
}
