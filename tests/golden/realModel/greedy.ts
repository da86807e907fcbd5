import { type CausalLM, generate } from "@lowrank/models";
import type { Check } from "../check/compare.ts";
import type { GreedyCase } from "./expected.ts";

/** If the most probable token leads the next one by less than this, rounding may choose the other. */
const tie = 1e-3;

/** Continues each prompt greedily. A step that differs at a recorded tie ends the comparison and is reported. */
export async function* greedy(
  name: string,
  model: CausalLM,
  cases: readonly GreedyCase[],
  eosTokenIds: readonly number[],
): AsyncGenerator<Check> {
  for (const { prompt, prompt_ids, ids, margins } of cases) {
    const [tokens] = await generate(model, [prompt_ids], { maxNewTokens: 64, eosTokenIds, generationConfig: null });
    yield compareTokens(`${name} ${JSON.stringify(prompt)}`, tokens, ids, margins);
  }
}

/**
 * Counts the tokens of all answers that agree with f32. The check fails if the model did not choose a token that leads
 * by `lead` logits or more in f32.
 */
export async function agreement(
  name: string,
  model: CausalLM,
  cases: readonly GreedyCase[],
  { eosTokenIds, lead }: { eosTokenIds: readonly number[]; lead: number },
): Promise<Check> {
  let [same, all, widest] = [0, 0, 0];
  for (const { prompt_ids, ids, margins } of cases) {
    const [tokens] = await generate(model, [prompt_ids], { maxNewTokens: 64, eosTokenIds, generationConfig: null });
    const differing = ids.findIndex((id, i) => tokens[i] !== id);
    if (differing >= 0) widest = Math.max(widest, margins[differing]);
    same += differing < 0 ? ids.length : differing;
    all += ids.length;
  }
  return {
    name: `${name}, greedy`,
    note: `${all - same} of ${all} tokens are the first that differs from f32's answer, or come after it; f32 led by ${widest} at most`,
    error: widest < lead ? undefined : `f32 led by ${widest} where another token was chosen, allowed ${lead}`,
  };
}

export function compareTokens(
  name: string,
  actual: readonly number[],
  expected: readonly number[],
  margins: readonly number[],
): Check {
  const at = expected.findIndex((id, i) => actual[i] !== id);
  const step = at < 0 && actual.length !== expected.length ? expected.length : at;
  if (step < 0) return { name };
  const difference = `step ${step} gives token ${actual[step]} instead of ${expected[step]}`;
  const margin = margins[step] ?? Number.POSITIVE_INFINITY;
  if (margin < tie) return { name, note: `${difference}; the recorded lead is ${margin}, a tie` };
  return { name, error: `${difference}, whose recorded lead is ${margin}` };
}
