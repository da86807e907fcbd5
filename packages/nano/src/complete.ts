import { checkOptions } from "@lowrank/core/internal";
import { type CausalLM, generate, type Tokenizer } from "@lowrank/models";

/**
 * Returns the model's completion of each prompt: the most probable tokens up to EOS (greedy), as text. Prompts of
 * similar length run in batches.
 */
export async function complete(
  model: CausalLM,
  tokenizer: Tokenizer,
  prompts: readonly string[],
  options: { batchSize?: number; maxNewTokens?: number } = {},
): Promise<string[]> {
  checkOptions("complete", options, { batchSize: true, maxNewTokens: true });
  const { batchSize = 64, maxNewTokens = 64 } = options;
  const { eosTokenId } = tokenizer;
  if (eosTokenId === null) throw new Error("complete: the tokenizer has no eos_token, which has to end each answer");
  const ids = prompts.map((prompt) => tokenizer.encode(prompt));
  const order = [...ids.keys()].sort((a, b) => ids[a].length - ids[b].length);
  const answers = new Array<string>(prompts.length);
  for (let at = 0; at < order.length; at += batchSize) {
    const rows = order.slice(at, at + batchSize);
    const batch = rows.map((row) => ids[row]);
    const longest = batch[batch.length - 1].length;
    const tokens = await generate(model, batch, {
      maxNewTokens: Math.min(maxNewTokens, model.maxPositions - longest),
      eosTokenIds: [eosTokenId],
      generationConfig: null,
    });
    for (const [i, row] of rows.entries()) answers[row] = tokenizer.decode(tokens[i], { skipSpecialTokens: true });
  }
  return answers;
}

/**
 * Returns the fraction of predictions, in [0, 1], that equal their reference exactly. Throws `RangeError` if the lists
 * differ in length or are empty.
 */
export function exactMatch(predictions: readonly string[], references: readonly string[]): number {
  if (predictions.length !== references.length || references.length === 0) {
    throw new RangeError(
      `exactMatch: ${predictions.length} predictions for ${references.length} references: give one prediction for each of at least one reference`,
    );
  }
  return predictions.filter((prediction, at) => prediction === references[at]).length / references.length;
}
