import { noGrad, scope, tensor } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import { ignoreIndex } from "../../data/tokens/ignoreIndex.ts";

/**
 * Returns the log-probability, in nats, that a model assigns to the last `count` tokens, each given the tokens before
 * it. The first token of the text has nothing before it and is not counted.
 */
export async function logLikelihood(
  model: CausalLM,
  tokens: readonly number[],
  count: number,
): Promise<{ sum: number; counted: number }> {
  const labels = tokens.map((token, i) => (i < tokens.length - count ? ignoreIndex : token));
  const virtual = model.virtualTokens?.count ?? 0;
  // With virtual tokens, the last of them predicts the first token.
  const counted = labels.slice(virtual > 0 ? 0 : 1).filter((label) => label !== ignoreIndex).length;
  if (counted === 0) return { sum: 0, counted };
  model.eval();
  const { backend } = model;
  const shape = [1, tokens.length];
  using loss = noGrad(() =>
    scope(() =>
      model.loss({
        inputIds: tensor(Int32Array.from(tokens), { shape, backend }),
        labels: tensor(Int32Array.from(labels), { shape, backend }),
      }),
    ),
  );
  return { sum: -(await loss.item()) * counted, counted };
}
