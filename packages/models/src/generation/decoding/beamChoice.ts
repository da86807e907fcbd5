import { affine, type Generator, gather, rand, type SamplingOptions, type Tensor, topk, where } from "@lowrank/core";
import { keptTokens } from "@lowrank/core/internal";

/** The k chosen continuations of each prompt: scores [B, k], and flat indices [B, k] into [beams, V]. */
export interface Chosen {
  readonly values: Tensor;
  readonly positions: Tensor;
}

/** Returns the `count` highest of the scores [B, beams * V] for each prompt, best first. */
export function likeliest(scores: Tensor, count: number): Chosen {
  const [values, positions] = topk(scores, Math.min(count, scores.shape[1]), { dim: 1 });
  return { values, positions };
}

/**
 * Draws `count` continuations per prompt without replacement, with probabilities that are the softmax of the scores [B,
 * beams * V]. Uses the Gumbel top-k trick (Kool et al. 2019, https://arxiv.org/abs/1903.06059).
 */
export function drawn(scores: Tensor, count: number, generator: Generator): Chosen {
  const { shape, storage } = scores;
  const uniform = rand(shape, { generator, backend: storage.backend });
  const noise = uniform.log().neg().log().neg();
  const [, positions] = topk(scores.add(noise), Math.min(count, shape[1]), { dim: 1 });
  return { values: gather(scores, 1, positions), positions };
}

/**
 * Returns log-probabilities [rows, V] divided by the temperature; -Infinity for tokens that top-k, top-p or min-p
 * exclude. The `least` most likely tokens are never excluded, so that beams can continue without EOS.
 */
export function filterLogProbabilities(logProbabilities: Tensor, options: SamplingOptions, least: number): Tensor {
  const { temperature = 1 } = options;
  const scaled = affine(logProbabilities, { scale: 1 / temperature });
  const kept = keptTokens(logProbabilities, options, least);
  return kept ? where(kept.gt(0), scaled, -Infinity) : scaled;
}
