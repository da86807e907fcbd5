import { noGrad, OptionError, scope, tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { short } from "../comparing/differences.ts";
import { type MatcherResult, result } from "./matcher.ts";
import { type AnsweringModel, tokenizerOf } from "./toAnswer.ts";

/** Options of `toForgetLessThan`. */
export interface ForgettingOptions {
  /** General texts, on which the adapter should not be worse than its base model. */
  texts: readonly string[];
}

/**
 * Passes if the mean loss of a token on general texts is at most `limit` nats higher with the active adapter than
 * without adapters. The message names the text with the largest increase.
 */
export async function toForgetLessThan(
  received: AnsweringModel,
  limit: number,
  options: ForgettingOptions,
): Promise<MatcherResult> {
  checkOptions("toForgetLessThan", options, { texts: true });
  const { model } = received;
  if (!(model instanceof PeftModel)) {
    throw new OptionError("toForgetLessThan", "model", model, "is no PeftModel; give { model: peft, tokenizer }");
  }
  if (!options.texts?.length) throw new OptionError("toForgetLessThan", "texts", options.texts, "is empty; give texts");
  const tokenizer = tokenizerOf("toForgetLessThan", received);
  const losses = async () => {
    const found: { sum: number; tokens: number }[] = [];
    for (const text of options.texts) found.push(await lossOf(model.baseModel as CausalLM, tokenizer, text));
    return found;
  };
  const isTraining = model.training;
  model.eval();
  try {
    const adapted = await losses();
    const base = await model.disableAdapter(losses);
    const tokens = base.reduce((sum, one) => sum + one.tokens, 0);
    const increases = adapted.map(({ sum }, i) => sum - base[i].sum);
    const mean = increases.reduce((sum, x) => sum + x, 0) / tokens;
    const worst = increases.reduce(
      (best, x, i) => (x / base[i].tokens > increases[best] / base[best].tokens ? i : best),
      0,
    );
    const of = (all: typeof base) => short(all.reduce((sum, one) => sum + one.sum, 0) / tokens);
    const facts = `the loss of ${tokens} tokens rises by ${short(mean)} nats a token, from ${of(base)} to ${of(adapted)}`;
    const most = `text ${worst} rises most, by ${short(increases[worst] / base[worst].tokens)}: ${JSON.stringify(options.texts[worst].slice(0, 60))}`;
    return result(
      mean <= limit,
      `${facts}, and the limit is ${short(limit)}; ${most}`,
      `${facts}, below ${short(limit)}`,
    );
  } finally {
    model.train(isTraining);
  }
}

/** Returns the sum of the losses of a text's tokens but the first. Throws for texts with fewer than 2 tokens. */
async function lossOf(model: CausalLM, tokenizer: Tokenizer, text: string): Promise<{ sum: number; tokens: number }> {
  const ids = tokenizer.encode(text).slice(0, model.maxPositions);
  if (ids.length < 2) throw new OptionError("toForgetLessThan", "texts", text, "has a text with fewer than 2 tokens");
  using loss = noGrad(() =>
    scope(() => {
      const inputIds = tensor([[...ids]], { dtype: "i32", backend: model.backend });
      return model.loss({ inputIds, labels: inputIds });
    }),
  );
  const tokens = ids.length - 1;
  return { sum: (await loss.item()) * tokens, tokens };
}
