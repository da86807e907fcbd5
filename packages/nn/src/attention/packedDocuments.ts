import { arange, attention, cat, formatShape, ge, mul, sub, type Tensor, to, unsqueeze, zeros } from "@lowrank/core";
import { checkOptions, documentAttention, documentMask } from "@lowrank/core/internal";
import { type AttentionCache, attendKeys, type CachedAttendOptions, earlierRows } from "./attentionCache.ts";

/**
 * The cache argument for training on several documents packed into one row: tokens attend only within their document.
 * Pass it to a decoder's forward pass, with the tokens' positions in their documents as `positionIds`. For each token,
 * `starts` (i32 [B, T]) holds the index in the row at which the token's document begins. Padding counts as a document.
 * Do not free `starts` before the backward pass.
 */
export class PackedDocuments implements AttentionCache {
  readonly length = 0;
  readonly isStateless = true;
  readonly holdsSeveral = true;
  readonly #starts: Tensor;

  constructor(starts: Tensor) {
    if (starts.ndim !== 2 || starts.dtype !== "i32") {
      throw new Error(`PackedDocuments: starts is ${starts.dtype} ${formatShape(starts.shape)}; give i32 [B, T]`);
    }
    this.#starts = starts;
  }

  /**
   * Always throws. This method would store virtual tokens, but a packed row cannot have them: each document would need
   * its own copy.
   */
  update(): void {
    throw new Error(
      "PackedDocuments: virtual tokens cannot precede each packed document; train a prompt method without packing",
    );
  }

  attend(_layer: number, q: Tensor, k: Tensor, v: Tensor, options: CachedAttendOptions): Tensor {
    checkOptions("PackedDocuments", options, attendKeys);
    const { causal, mask, dropoutP = 0, generator, ...params } = options;
    if (!causal)
      throw new Error(
        "PackedDocuments: packing needs causal attention, and this model is not a decoder; train it without packing",
      );
    if (mask)
      throw new Error(
        "PackedDocuments: attentionMask is not supported, since padding counts as a document; leave attentionMask out",
      );
    const rows = q.shape[1];
    const [, tokens] = this.#starts.shape;
    if (rows !== tokens) {
      throw new Error(
        `PackedDocuments: the queries have ${rows} positions, but starts has ${tokens}; train prompt methods without packing`,
      );
    }
    if (dropoutP === 0) return documentAttention(q, k, v, this.#starts, params);
    return attention(q, k, v, { ...params, causal, mask: documentMask(this.#starts), dropoutP, generator });
  }

  earlier(_layer: number, rows: Tensor, count: number): Tensor[] {
    const [B, T, W] = rows.shape;
    const { backend } = rows.storage;
    const places = arange(0, T, { dtype: "f32", backend });
    // Number of earlier tokens in the same document, for each token.
    const before = unsqueeze(sub(places, to(this.#starts, { dtype: "f32" })), -1);
    const all = cat([zeros([B, count, W], { backend }), rows], { dim: 1 });
    return earlierRows(all, count).map((one, i) => mul(one, to(ge(before, i + 1), { dtype: "f32" })));
  }

  /** Does nothing, because this cache stores no tokens. */
  advance(): void {}
}
