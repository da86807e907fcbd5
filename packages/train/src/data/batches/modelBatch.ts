import { type Backend, type MatmulPrecision, type Tensor, tensor, withBackend } from "@lowrank/core";
import type { LabelledInputs, ProblemType } from "@lowrank/models";
import type { VirtualTokens } from "@lowrank/nn";
import type { CollateOptions, Rows } from "../padRows.ts";
import { ignoreIndex } from "../tokens/ignoreIndex.ts";
import type { Batch } from "./collate.ts";
import type { SequenceBatch } from "./collateSequences.ts";

/** Members that a `Trainer` with a custom loss requires of a model. Every `Module` has them, including `PeftModel`. */
export interface TrainableModule {
  namedParameters(): Iterable<[string, Tensor & { precision?: MatmulPrecision }]>;
  namedModules(): Iterable<[string, object]>;
  /** Yields tensors that a forward pass changes, such as running means, by name. */
  namedBuffers?(): Iterable<[string, Tensor]>;
  /**
   * Called after each optimiser step, before the gradients are cleared. `step` is counted from 0. AdaLoRA changes its
   * ranks in this method.
   */
  updateAndAllocate?(step: number): Promise<void>;
  /**
   * Returns AdaLoRA's tensors that `updateAndAllocate` needs in later steps, for a checkpoint. The caller frees them.
   */
  allocationState?(): Map<string, Tensor>;
  /** Restores the tensors that `allocationState` returned. */
  setAllocationState?(state: ReadonlyMap<string, Tensor>): Promise<void>;
  /** Returns the contents of the adapters' files by name, to be stored in checkpoints. */
  adapterFiles?(): Promise<ReadonlyMap<string, Uint8Array | string>>;
  /** Returns true if a batch with rows of this adapter must not contain rows of other adapters. */
  trainsAlone?(adapterName: string): boolean;
  /** Runs `fn` such that row i of its batches uses adapter `adapterNames[i]`. */
  withAdapterNames?<T>(adapterNames: readonly string[], fn: () => T): T;
  /** Runs `fn` on the base model, without adapters. */
  disableAdapter?<T>(fn: () => T): T;
  train(): unknown;
  eval(): unknown;
}

/** A model that can be trained: a `CausalLM`, a `SequenceClassifier`, or a `PeftModel` over one. */
export interface TrainableModel extends TrainableModule {
  /**
   * Returns the mean loss over the labels that are not -100. For tokens and classes it is the cross-entropy in nats.
   */
  loss(inputs: LabelledInputs): Tensor;
}

/**
 * Runs `fn` such that each row of the batch uses the adapter named in `adapterNames`. If the batch names no adapters,
 * only runs `fn`. Throws if the batch names adapters but the model has none.
 */
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

/** Properties of a model, without its adapters, that determine how batches are made for it. */
interface BaseModel {
  readonly problemType?: ProblemType;
  /** True if the model predicts a class for each token instead of the next token. */
  readonly classifiesTokens?: boolean;
  readonly virtualTokens?: Pick<VirtualTokens, "kind" | "loss"> | null;
  readonly config?: { readonly padTokenId?: number | null; readonly labels?: readonly string[] };
}

/** Returns the base model of a `PeftModel`; returns other models unchanged. */
export function baseOf(model: TrainableModel): BaseModel {
  return ((model as { baseModel?: BaseModel }).baseModel ?? model) as BaseModel;
}

/**
 * Copies a batch to tensors on the model's backend. Class indices of sequences become i32; other labels of sequences
 * become f32. Omits the attention mask if there is no padding. The current scope frees the tensors. Throws if the batch
 * has labels for sequences and the model does not classify sequences, or the other way round.
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
    ...(batch.taskIds && { taskIds: batch.taskIds }),
    ...(batch.inputTypeMask && { inputTypeMask: rowsOf(batch.inputTypeMask, batch) }),
    ...(tokenTypeIds && { tokenTypeIds: tensor(tokenTypeIds, { shape }) }),
  }));
}

/** Returns the rows of a row-major array [batchSize, length]. */
function rowsOf<T extends Int32Array>(values: T, { batchSize, length }: Pick<Rows, "batchSize" | "length">): T[] {
  return Array.from({ length: batchSize }, (_, row) => values.subarray(row * length, (row + 1) * length) as T);
}

function tokenLabels({ labels }: Batch, model: TrainableModel, shape: readonly number[]): Tensor {
  if (baseOf(model).problemType === undefined) return tensor(labels, { shape });
  throw new Error(
    "the model classifies sequences, but the examples have a label for each token; give each example one label",
  );
}

function sequenceLabels({ labels, labelShape }: SequenceBatch, model: TrainableModel): Tensor {
  const { problemType } = baseOf(model);
  if (problemType === undefined) {
    throw new Error(
      "the examples have a label for each sequence, but the model does not classify sequences; give labels for tokens",
    );
  }
  const dtype = problemType === "single_label_classification" ? "i32" : "f32";
  return tensor(labels, { shape: labelShape, dtype });
}

/**
 * Returns the first position in a row whose label counts in the loss. It is 0 for token classifiers, which predict a
 * label for every token. It is also 0 for models with virtual tokens whose embeddings precede the text: the last
 * virtual token predicts the first token. For other models it is 1, since nothing predicts the first token.
 */
export function firstPredicted(model: TrainableModel): 0 | 1 {
  const { classifiesTokens, virtualTokens } = baseOf(model);
  return classifiesTokens || virtualTokens?.kind === "embeddings" ? 0 : 1;
}

/**
 * Returns the labels of each row that count in the loss, with -100 for tokens without a label. The first label is for
 * the first token that the model predicts, which is a virtual token for CPT.
 */
export function predictedLabels(batch: Batch, model: TrainableModel): Int32Array[] {
  const { loss } = baseOf(model).virtualTokens ?? {};
  const rows = rowsOf(batch.labels, batch);
  if (!loss) return rows.map((row) => row.subarray(firstPredicted(model)));
  const types = batch.inputTypeMask && rowsOf(batch.inputTypeMask, batch);
  return rows.map((row, i) => loss.labelsOf(row, types?.[i] ?? null).subarray(1));
}

/**
 * Returns the number of labels over which a batch's loss is averaged. For labelled sequences, it is the number of
 * sequences. Otherwise, it is the number of tokens whose label is not -100; the first token of a row counts only if the
 * model predicts it. CPT's labels of virtual tokens count too.
 */
export function labelCount(batch: Batch | SequenceBatch, model: TrainableModel): number {
  if ("labelShape" in batch) return batch.batchSize;
  const labelled = (row: Int32Array) => row.reduce((count, label) => count + Number(label !== ignoreIndex), 0);
  return predictedLabels(batch, model).reduce((count, row) => count + labelled(row), 0);
}

/** Padding options for training or evaluating a model, which provides the default padding token. */
export interface PaddingOptions extends Omit<CollateOptions, "padTokenId"> {
  /**
   * Id of the token that pads rows on the right. Labels never include padding. Default: `padTokenId` in the model's
   * config, or 0 if the config has none. Sequence classifiers use this id to find the last token of a row.
   */
  padTokenId?: number;
}

/**
 * Returns the padding options among the options of a training or evaluation. `padTokenId` defaults to the model's
 * padding token.
 */
export function paddingOf(options: PaddingOptions, model: TrainableModel): CollateOptions {
  const { padTokenId = baseOf(model).config?.padTokenId ?? 0, padToMultipleOf, maxLength } = options;
  return { padTokenId, padToMultipleOf, maxLength };
}
