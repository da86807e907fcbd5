import { clamp, div, mul, reshape, scope, sqrt, square, sum, type Tensor, tensor, to } from "@lowrank/core";
import { backendOf, type TrainableModule } from "../modelBatch.ts";
import type { Rows } from "../padRows.ts";

type Hidden = { hidden(inputs: { inputIds: Tensor; attentionMask: Tensor | null }): Tensor };

/** An encoder whose hidden states are pooled: a `SequenceClassifier`, or a `PeftModel` over one. */
export type EmbeddingModel = TrainableModule & (Hidden | { readonly baseModel: Hidden });

/**
 * Returns embeddings f32 [B, D] of length 1: the mean of the final hidden states over each row's
 * tokens, as sentence-transformers pools and normalises them.
 */
export function meanPooling(
  model: EmbeddingModel,
  { inputIds, attentionMask, batchSize, length }: Pick<Rows, "inputIds" | "attentionMask" | "batchSize" | "length">,
): Tensor {
  const backend = backendOf(model);
  const shape = [batchSize, length];
  return scope(() => {
    const mask = tensor(attentionMask, { shape, dtype: "u8", backend });
    const encoder = "baseModel" in model ? model.baseModel : model;
    const hidden = encoder.hidden({
      inputIds: tensor(inputIds, { shape, backend }),
      attentionMask: attentionMask.includes(0) ? mask : null,
    });
    const weights = reshape(to(mask, { dtype: "f32" }), [batchSize, length, 1]);
    const mean = div(sum(mul(hidden, weights), { dim: 1 }), sum(weights, { dim: 1 }));
    // As torch.nn.functional.normalize: no length is below 1e-12.
    const norm = clamp(sqrt(sum(square(mean), { dim: 1, keepdim: true })), { min: 1e-12 });
    return div(mean, norm);
  });
}
