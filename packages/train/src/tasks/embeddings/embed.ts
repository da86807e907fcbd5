import {
  clamp,
  div,
  mul,
  noGrad,
  reshape,
  scope,
  slice,
  sqrt,
  square,
  sum,
  type Tensor,
  tensor,
  to,
  withBackend,
  yieldIfDue,
} from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { backendOf, type TrainableModule } from "../../data/batches/modelBatch.ts";
import { type CollateOptions, collateKeys, padRows, type Row, type Rows } from "../../data/padRows.ts";

/** Options of `embed`. */
export interface EmbedOptions extends CollateOptions {
  /** Number of texts in a forward pass. Default: 32. */
  batchSize?: number;
  /** Aborts after the current batch. `embed` rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Names of all options of `EmbedOptions`. */
export const embedKeys: OptionKeys<EmbedOptions> = { ...collateKeys, batchSize: true, signal: true };

/**
 * Returns an embedding of length 1 for each text: the normalised mean of the final hidden states of its tokens, as in
 * sentence-transformers. Batches contain texts of similar length.
 */
export async function embed(
  model: EmbeddingModel,
  texts: readonly Pick<Row, "inputIds">[],
  options: EmbedOptions,
): Promise<Float32Array[]> {
  checkOptions("embed", options, embedKeys);
  const { batchSize = 32, signal, ...padding } = options;
  const order = Array.from(texts.keys()).sort((a, b) => texts[a].inputIds.length - texts[b].inputIds.length);
  const found: Float32Array[] = new Array(texts.length);
  for (let at = 0; at < order.length; at += batchSize) {
    await yieldIfDue(signal);
    model.eval();
    const batch = order.slice(at, at + batchSize);
    const rows = padRows(
      batch.map((i) => texts[i]),
      padding,
    );
    using pooled = withBackend(backendOf(model), () => noGrad(() => scope(() => meanPooling(model, rows))));
    const numbers = (await pooled.data()) as Float32Array;
    const width = numbers.length / batch.length;
    for (const [row, i] of batch.entries()) found[i] = numbers.slice(row * width, (row + 1) * width);
  }
  return found;
}

type Inputs = { inputIds: Tensor; attentionMask: Tensor | null };

/**
 * A model that returns its final hidden states. They are the result of `forward` or, if `forward` also applies a head,
 * of `hidden`.
 */
type Hidden = { forward(inputs: Inputs): Tensor } | { hidden(inputs: Inputs): Tensor };

/**
 * A model whose hidden states are averaged to an embedding: an encoder from `loadEncoder`, a `SequenceClassifier`, or a
 * `PeftModel` of either.
 */
export type EmbeddingModel = TrainableModule & (Hidden | { readonly baseModel: Hidden });

/**
 * Returns one embedding for each row, f32 [B, D], normalised to length 1. An embedding is the mean of the final hidden
 * states of the row's tokens, as in sentence-transformers.
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
    const inputs = {
      inputIds: tensor(inputIds, { shape, backend }),
      attentionMask: attentionMask.includes(0) ? mask : null,
    };
    const rows = "hidden" in encoder ? encoder.hidden(inputs) : encoder.forward(inputs);
    // Hidden states of virtual tokens come first and are skipped.
    const hidden = slice(rows, { dim: 1, start: rows.shape[1] - length });
    const weights = reshape(to(mask, { dtype: "f32" }), [batchSize, length, 1]);
    const mean = div(sum(mul(hidden, weights), { dim: 1 }), sum(weights, { dim: 1 }));
    // Like torch.nn.functional.normalize, with a minimum length of 1e-12.
    const norm = clamp(sqrt(sum(square(mean), { dim: 1, keepdim: true })), { min: 1e-12 });
    return div(mean, norm);
  });
}
