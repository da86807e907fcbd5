import { OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type CausalLM, generate, type TextPrompt, type Tokenizer } from "@lowrank/models";

/** Options of `answerPrompts`. */
export interface AnswerSettings {
  /** Number of prompts in a batch. */
  readonly batchSize: number;
  readonly maxNewTokens: number;
  /** Texts at which an answer ends. The answer does not contain them. */
  readonly stop: readonly string[];
  /** Ids of tokens at which an answer ends. */
  readonly eosTokenIds: readonly number[];
  /** Called after each batch. `done` is the number of prompts answered so far, `of` the number of all prompts. */
  readonly onProgress?: (done: number, of: number) => void;
}

/**
 * Generates a greedy continuation of each prompt, in batches of similar lengths. A prompt that is too long for the
 * model is truncated at its beginning, as in lm-evaluation-harness.
 */
export async function answerPrompts(
  model: CausalLM,
  tokenizer: Tokenizer,
  prompts: readonly TextPrompt[],
  settings: AnswerSettings,
): Promise<string[]> {
  checkOptions("answerPrompts", settings, {
    ...({ batchSize: true, maxNewTokens: true, stop: true, eosTokenIds: true, onProgress: true } as const),
  });
  const { batchSize, maxNewTokens, stop, eosTokenIds, onProgress } = settings;
  const room = model.maxPositions - (model.virtualTokens?.count ?? 0) - maxNewTokens;
  if (room < 1) {
    throw new OptionError("", "maxNewTokens", maxNewTokens, (named) => {
      const answers = `answers of ${maxNewTokens} tokens leave no space for a prompt`;
      return `${answers} in the model's ${model.maxPositions} positions; lower ${named("maxNewTokens")}`;
    });
  }
  const ids = await Promise.all(prompts.map((prompt) => tokensOf(prompt, tokenizer)));
  const order = ids.map((_, i) => i).sort((a, b) => ids[b].length - ids[a].length);
  const answers = new Array<string>(prompts.length);
  for (let at = 0; at < order.length; at += batchSize) {
    const rows = order.slice(at, at + batchSize);
    const batch = rows.map((i) => ids[i].slice(-room));
    const found = await generate(model, batch, { maxNewTokens, eosTokenIds, generationConfig: null, tokenizer, stop });
    for (const [row, tokens] of found.entries()) {
      const end = tokens.findIndex((token) => eosTokenIds.includes(token));
      const text = tokenizer.decode(end < 0 ? tokens : tokens.slice(0, end));
      answers[rows[row]] = cutAt(text, stop);
    }
    onProgress?.(at + rows.length, order.length);
  }
  return answers;
}

async function tokensOf(prompt: TextPrompt, tokenizer: Tokenizer): Promise<readonly number[]> {
  if (typeof prompt === "string") return tokenizer.encode(prompt);
  if (typeof prompt[0] === "number") return prompt as readonly number[];
  const text = await tokenizer.applyChatTemplate(prompt as never, { addGenerationPrompt: true });
  return tokenizer.encode(text, { addSpecialTokens: false });
}

function cutAt(text: string, stop: readonly string[]): string {
  const ends = stop.map((word) => text.indexOf(word)).filter((at) => at >= 0);
  return text.slice(0, Math.min(...ends));
}
