import { type MetaBackend, meta, type Tensor, withBackend } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";
import { type BuiltModel, type ModelShapes, PeftModel } from "@lowrank/peft";

/** Model with a `loss`, with or without an adapter, whose tensors have shapes but no values. */
type Planned = BuiltModel | PeftModel<BuiltModel>;

/** Computes the loss of a batch of `batchSize` sequences of `sequenceLength` tokens. */
export type PlannedLoss = (sizes: { batchSize: number; sequenceLength: number }) => (model: Planned) => Tensor;

/**
 * Returns the loss of a model's training step. Sequence classifiers have one label for each sequence, other models one
 * for each token. Returns null if the model lacks a loss, and undefined if its description has an example with a loss.
 */
export function plannedLoss(shapes: ModelShapes): PlannedLoss | null | undefined {
  if (shapes.example) return undefined;
  const backend = meta();
  const built = withBackend(backend, () =>
    shapes.build((_name, shape) => new Parameter(backend.tensor({ shape, dtype: "f32" }))),
  );
  if (!("loss" in built)) return null;
  return ({ batchSize, sequenceLength }) =>
    (model) => {
      const { tensor } = model.backend as MetaBackend;
      const inputIds = tensor({ shape: [batchSize, sequenceLength], dtype: "i32" });
      const labels = tensor(labelsOf(model instanceof PeftModel ? model.baseModel : model, inputIds.shape));
      return model.loss({ inputIds, labels });
    };
}

/** Returns the shape and dtype of the labels of a batch [B, T]. */
function labelsOf(model: object, [batch, tokens]: readonly number[]): Parameters<MetaBackend["tensor"]>[0] {
  const { problemType, config } = model as { problemType?: string; config?: { labels?: readonly unknown[] } };
  switch (problemType) {
    case undefined:
      return { shape: [batch, tokens], dtype: "i32" };
    case "single_label_classification":
      return { shape: [batch], dtype: "i32" };
    default:
      return { shape: [batch, config?.labels?.length ?? 1], dtype: "f32" };
  }
}
