import { noGrad, scope, tensor } from "@lowrank/core";
import { type CausalLM, generate } from "@lowrank/models";

/**
 * A model's answer to a prompt: the logits of every position, and the tokens
 * of a greedy continuation.
 */
export interface Answer {
  logits: Float32Array;
  tokens: number[];
}

/**
 * Runs a model on a prompt and greedily generates 16 tokens, or as many as fit. Throws an error that names `what` if a
 * logit is not finite.
 */
export async function answer(model: CausalLM, ids: readonly number[], what: string): Promise<Answer> {
  model.eval();
  using inputIds = tensor(Int32Array.from(ids), { shape: [1, ids.length] });
  using output = noGrad(() => scope(() => model.forward({ inputIds }).logits));
  const logits = (await output.data()) as Float32Array;
  const bad = logits.find((logit) => !Number.isFinite(logit));
  if (bad !== undefined) throw new Error(`the logits of ${what} contain ${bad}; nothing was written`);
  const maxNewTokens = Math.min(16, model.maxPositions - ids.length);
  const [tokens] = await generate(model, [ids], { maxNewTokens, generationConfig: null });
  return { logits, tokens };
}

/**
 * Compares two answers to the same prompt. Returns the largest difference of their logits, the largest magnitude of a's
 * logits (`scale`), and true in `sameTokens` if the tokens are equal.
 */
export function compareAnswers(a: Answer, b: Answer): { maxDifference: number; scale: number; sameTokens: boolean } {
  let [maxDifference, scale] = [0, 0];
  for (const [i, logit] of a.logits.entries()) {
    maxDifference = Math.max(maxDifference, Math.abs(logit - b.logits[i]));
    scale = Math.max(scale, Math.abs(logit));
  }
  return { maxDifference, scale, sameTokens: a.tokens.join() === b.tokens.join() };
}
