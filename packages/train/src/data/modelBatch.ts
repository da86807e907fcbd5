import { type Backend, type MatmulPrecision, type Tensor, tensor, withBackend } from "@lowrank/core";
import type { LabelledInputs, ProblemType } from "@lowrank/models";
import type { Batch } from "./collate.ts";
import type { SequenceBatch } from "./collateSequences.ts";
import type { Rows } from "./padRows.ts";

/** A module that can be trained with a loss of one's own: any `Module`, also a `PeftModel`. */
export interface TrainableModule {
  namedParameters(): Iterable<[string, Tensor & { precision?: MatmulPrecision }]>;
  namedModules(): Iterable<[string, object]>;
  /** Tensors that a forward pass changes, such as running means. */
  namedBuffers?(): Iterable<[string, Tensor]>;
  /**
   * Called after each optimiser step, counted from 0, while gradients are there:
   * AdaLoRA gives out ranks.
   */
  updateAndAllocate?(step: number): Promise<void>;
  /** Returns the tensors that a checkpoint must hold for that, by name; the caller frees them. */
  allocationState?(): Map<string, Tensor>;
  /** Takes such a state back. */
  setAllocationState?(state: ReadonlyMap<string, Tensor>): Promise<void>;
  /** Returns the files of the adapters, by name, which a checkpoint holds too. */
  adapterFiles?(): Promise<ReadonlyMap<string, Uint8Array | string>>;
  /** True for an adapter that cannot train beside others in a batch. */
  trainsAlone?(adapterName: string): boolean;
  /** Runs `fn` on batches whose rows have these adapters. */
  withAdapterNames?<T>(adapterNames: readonly string[], fn: () => T): T;
  /** Runs `fn` on the base model, without adapters. */
  disableAdapter?<T>(fn: () => T): T;
  train(): unknown;
  eval(): unknown;
}

/** A model that can be trained: a `CausalLM`, a `SequenceClassifier`, or a `PeftModel` over one. */
export interface TrainableModel extends TrainableModule {
  /**
   * The mean over the labels that are not -100; cross-entropy in nats where tokens
   * or classes are predicted.
   */
  loss(inputs: LabelledInputs): Tensor;
}

/**
 * Runs `fn` with the adapters that the rows of a batch have, where they name theirs. Throws for
 * a model without adapters.
 */
export function withRows<T>(model: TrainableModule, { adapterNames }: Pick<Rows, "adapterNames">, fn: () => T): T {
  if (adapterNames === undefined) return fn();
  if (model.withAdapterNames) return model.withAdapterNames(adapterNames, fn);
  throw new Error(
    `the examples name adapters (${[...new Set(adapterNames)].join(", ")}), and the model has none; give a PeftModel`,
  );
}

/** The backend that holds a model's parameters. */
export function backendOf(model: Pick<TrainableModel, "namedParameters">): Backend {
  for (const [, parameter] of model.namedParameters()) return parameter.storage.backend;
  throw new Error("the model has no parameters");
}

/** The properties of a model, without its adapters, that its batches depend on. */
interface BaseModel {
  readonly problemType?: ProblemType;
  /** True: each token has a label of its own, and none predicts that of the next one. */
  readonly classifiesTokens?: boolean;
  readonly virtualTokens?: { readonly kind: string } | null;
  readonly config?: { readonly padTokenId?: number | null; readonly labels?: readonly string[] };
}

/** The model below adapters; the model itself where there are none. */
export function baseOf(model: TrainableModel): BaseModel {
  return ((model as { baseModel?: BaseModel }).baseModel ?? model) as BaseModel;
}

/**
 * Writes a batch to the model's backend; the mask only where there is padding. Classes become
 * i32, other labels of sequences f32. The running scope frees it. Throws for labels of another
 * kind than the model has.
 */
export function toInputs(
  batch: Batch | SequenceBatch,
  model: TrainableModel,
): LabelledInputs & { tokenTypeIds?: Tensor } {
  const shape = [batch.batchSize, batch.length];
  return withBackend(backendOf(model), () => ({
    inputIds: tensor(batch.inputIds, { shape }),
    labels: "labelShape" in batch ? sequenceLabels(batch, model) : tokenLabels(batch, model, shape),
    attentionMask: batch.attentionMask.includes(0) ? tensor(batch.attentionMask, { shape }) : null,
    ...batch.furtherInputs?.(),
    ...("tokenTypeIds" in batch && batch.tokenTypeIds && { tokenTypeIds: tensor(batch.tokenTypeIds, { shape }) }),
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
