import { noGrad, scope, withBackend, yieldIfDue } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { backendOf } from "../../data/batches/modelBatch.ts";
import { type CollateOptions, collateKeys, padRows, type Row } from "../../data/padRows.ts";
import { type EmbeddingModel, meanPooling } from "./meanPooling.ts";

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
