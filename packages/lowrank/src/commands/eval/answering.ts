import type { ChatMessage, TextPrompt } from "@lowrank/models";
import { answerPrompts } from "@lowrank/train";
import type { MeasuredModel, TaskOptions } from "./evalTask.ts";

/** Generates answers to prompts, as they are or in the model's chat template. */
export function answering(
  { model, tokenizer, eosTokenIds, onProgress }: MeasuredModel,
  prompts: readonly string[],
  { batchSize, chat, system }: TaskOptions,
  limits: { maxNewTokens: number; stop: readonly string[] },
): Promise<string[]> {
  const before: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
  const written = prompts.map((content): TextPrompt => (chat ? [...before, { role: "user", content }] : content));
  return answerPrompts(model, tokenizer, written, { ...limits, batchSize, eosTokenIds, onProgress });
}
