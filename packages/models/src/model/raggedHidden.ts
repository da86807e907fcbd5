import { noGrad, scope, type Tensor, tensor, withBackend } from "@lowrank/core";
import type { PagedKVCache } from "@lowrank/nn";
import { layerCaches, PagedBatch, type PagedRows } from "@lowrank/nn/internal";
import type { CausalLM } from "./causalLM.ts";

/**
 * Tokens of several sequences, one row per token. A sequence may have one row (decoding) or several (a chunk of its
 * prompt).
 */
export interface RaggedBatch extends PagedRows {
  /** The token of each row. */
  readonly tokens: Int32Array;
  /** The task of each row, for adapters that depend on it. Default: none. */
  readonly taskIds?: readonly number[];
  /** 1 for each row on which aLoRA acts, null for the others. Required for adapters of aLoRA. Default: no rows. */
  readonly aloraOffsets?: readonly (number | null)[];
}

/**
 * Runs N tokens of several sequences through a model, without gradients, and returns their final hidden states f32 [N,
 * 1, D]. Writes the keys and values of each token to its page of the cache. A token attends to all positions of its
 * sequence up to its own. Throws for a model with virtual tokens, and for a batch that does not fit in the cache or the
 * model.
 */
export function raggedHidden(model: CausalLM, batch: RaggedBatch, cache: PagedKVCache): Tensor {
  check(model, batch, cache);
  const { backend } = model;
  return withBackend(backend, () =>
    scope(() =>
      noGrad(() => {
        const column = (values: Int32Array) => tensor(values, { shape: [values.length, 1], backend });
        return model.hidden({
          inputIds: column(batch.tokens),
          positionIds: column(batch.positions),
          maxPosition: batch.positions.reduce((most, position) => Math.max(most, position)),
          taskIds: batch.taskIds,
          aloraOffsets: batch.aloraOffsets,
          cache: new PagedBatch(cache, batch),
        });
      }),
    ),
  );
}

function check(model: CausalLM, { tokens, positions }: RaggedBatch, cache: PagedKVCache): void {
  const { virtualTokens, sharedPositions } = model;
  if (virtualTokens) {
    throw new Error(
      `raggedHidden: the model has ${virtualTokens.count} virtual tokens before each sequence, which a paged KV cache does not support; disable the prompt adapter`,
    );
  }
  if (tokens.length === 0 || tokens.length !== positions.length) {
    throw new Error(
      `raggedHidden: ${tokens.length} tokens and ${positions.length} positions; give one token and one position for each row`,
    );
  }
  const beyond = positions.findIndex((position) => position >= sharedPositions);
  if (beyond !== -1) {
    throw new Error(
      `raggedHidden: row ${beyond} is at position ${positions[beyond]}, but with a paged KV cache the model has positions 0..${sharedPositions - 1}`,
    );
  }
  const found = summary(cache.layers.map(({ keys }) => keys.shape.slice(2)));
  const wanted = summary(
    layerCaches(model.attentionSizes).map(({ keyValueHeads, headDim }) => [keyValueHeads, headDim]),
  );
  if (found === wanted) return;
  throw new Error(`raggedHidden: the cache's layers are ${found}, but the model's are ${wanted}`);
}

/**
 * Describes the attention heads of all layers in words, for error messages. `layers` has [number of heads, head size]
 * for each layer. Example: "2 x 4 heads of 8" for two equal layers.
 */
function summary(layers: readonly (readonly number[])[]): string {
  const runs: { heads: string; count: number }[] = [];
  for (const [count, size] of layers) {
    const heads = `${count} heads of ${size}`;
    const last = runs.at(-1);
    if (last?.heads === heads) last.count++;
    else runs.push({ heads, count: 1 });
  }
  return runs.map(({ heads, count }) => `${count} x ${heads}`).join(", ");
}
