import { affine, arange, crossEntropy, matmul, OptionError, slice, type Tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type CollateOptions, collateKeys, padRows, type Row, type Rows } from "../../data/padRows.ts";
import type { OwnTask } from "../ownTask.ts";
import { tokensOf } from "../preference/preferenceBatch.ts";
import { type EmbeddingModel, meanPooling } from "./embed.ts";

/** Two texts that match (anchor and positive), and optionally a text that does not match the anchor (negative). */
export interface ContrastExample {
  anchor: Pick<Row, "inputIds">;
  positive: Pick<Row, "inputIds">;
  negative?: Pick<Row, "inputIds">;
}

/** Options of `multipleNegativesRanking`. */
export interface MultipleNegativesRankingOptions extends CollateOptions {
  /** Factor by which cosine similarities are multiplied before the softmax. Default: 20. */
  scale?: number;
}

/** Token rows of a batch: first all anchors, then all positives, then all negatives. */
export interface ContrastBatch {
  readonly rows: Rows;
  /** The number of anchors. */
  readonly count: number;
}

/**
 * The task of contrastive learning for embeddings: each anchor should be nearer to its positive than to all other
 * positives and negatives in the batch. The loss is sentence-transformers' MultipleNegativesRankingLoss. Henderson et
 * al. 2017, https://arxiv.org/abs/1705.00652
 */
export function multipleNegativesRanking(
  options: MultipleNegativesRankingOptions,
): OwnTask<EmbeddingModel, ContrastExample, ContrastBatch> {
  checkOptions("multipleNegativesRanking", options, { ...collateKeys, scale: true });
  const { scale = 20, ...padding } = options;
  if (!(scale > 0)) {
    const problem = `is ${scale}; give a number above 0, such as 20`;
    throw new OptionError("multipleNegativesRanking", "scale", scale, problem);
  }
  return {
    settings: { task: "contrast", scale, ...padding },
    tokens: (examples) =>
      tokensOf(
        examples.flatMap(({ anchor, positive, negative }) => [anchor, positive, ...(negative ? [negative] : [])]),
      ),
    collate: (examples) => {
      const negatives = examples.flatMap(({ negative }) => negative ?? []);
      if (negatives.length > 0 && negatives.length < examples.length) {
        throw new Error(
          "multipleNegativesRanking: only some examples have a negative; give all examples a negative, or none",
        );
      }
      const texts = [
        ...examples.map(({ anchor }) => anchor),
        ...examples.map(({ positive }) => positive),
        ...negatives,
      ];
      return { rows: padRows(texts, padding), count: examples.length };
    },
    loss: (model, { rows, count }) => rankingLoss(meanPooling(model, rows), count, scale),
  };
}

/**
 * Returns the mean cross-entropy of choosing each anchor's positive among all positives and negatives. `embeddings` [n,
 * D] contains the anchors first.
 */
function rankingLoss(embeddings: Tensor, count: number, scale: number): Tensor {
  const anchors = slice(embeddings, { dim: 0, start: 0, end: count });
  const candidates = slice(embeddings, { dim: 0, start: count });
  const scores = affine(matmul(anchors, candidates, { transposeB: true }), { scale });
  return crossEntropy(scores, arange(count, { dtype: "i32", backend: scores.storage.backend }));
}
