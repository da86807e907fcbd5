import { checkOptions } from "@lowrank/core/internal";
import { type EmbeddingModel, type EmbedOptions, embed, embedKeys } from "./embed.ts";
import type { ContrastExample } from "./multipleNegativesRanking.ts";

/** Similarity of anchors to their own positives, compared with other texts. */
export interface ContrastEvaluation {
  /** The fraction of anchors whose own positive is at least as near as the positive of every other example. */
  readonly accuracy: number;
  /** The mean cosine similarity of anchors with their own positive. */
  readonly positive: number;
  /** The mean cosine similarity of anchors with the positives of other examples. */
  readonly other: number;
  /**
   * The fraction of anchors that are nearer to their positive than to their negative. Null if examples have no
   * negatives.
   */
  readonly tripletAccuracy: number | null;
}

/**
 * Measures how often an anchor's nearest text, among the positives of all examples, is its own positive. If several
 * examples have the same positive text, each of them counts as correct.
 */
export async function evaluateContrast(
  model: EmbeddingModel,
  examples: readonly ContrastExample[],
  options: EmbedOptions,
): Promise<ContrastEvaluation> {
  checkOptions("evaluateContrast", options, embedKeys);
  if (examples.length === 0) throw new Error("evaluateContrast: there are no examples");
  const negatives = examples.flatMap(({ negative }) => negative ?? []);
  const texts = [...examples.map(({ anchor }) => anchor), ...examples.map(({ positive }) => positive), ...negatives];
  const vectors = await embed(model, texts, options);
  const count = examples.length;
  let [right, near, far, triplets] = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const cosines = Float64Array.from({ length: count }, (_, j) => cosine(vectors[i], vectors[count + j]));
    if (cosines.every((value) => value <= cosines[i])) right++;
    near += cosines[i];
    far += cosines.reduce((sum, value) => sum + value, 0) - cosines[i];
    if (negatives.length === count && cosines[i] > cosine(vectors[i], vectors[2 * count + i])) triplets++;
  }
  return {
    accuracy: right / count,
    positive: near / count,
    other: count > 1 ? far / (count * (count - 1)) : 0,
    tripletAccuracy: negatives.length === count ? triplets / count : null,
  };
}

/** Returns the cosine similarity of two vectors of length 1. */
function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d] * b[d];
  return sum;
}
