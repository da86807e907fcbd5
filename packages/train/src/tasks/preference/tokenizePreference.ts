import type { ChatMessage } from "@lowrank/models";
import { commonLength } from "../../data/tokens/assistantSpans.ts";
import { ignoreIndex } from "../../data/tokens/ignoreIndex.ts";
import { type ExampleTokenizer, type TokenizedExample, tokenizeExample } from "../../data/tokens/tokenize.ts";
import type { PreferenceExample } from "./preferenceBatch.ts";

/** A prompt with a better (chosen) and a worse (rejected) answer: as texts, or as messages of a conversation. */
export type PreferenceText =
  | { prompt: string; chosen: string; rejected: string }
  | { prompt: ChatMessage[]; chosen: ChatMessage[]; rejected: ChatMessage[] };

/**
 * Tokenizes a prompt with its two answers. Only the answers' tokens are labels. Conversations are rendered with the
 * chat template.
 */
export async function tokenizePreference(
  tokenizer: ExampleTokenizer,
  text: PreferenceText,
): Promise<PreferenceExample> {
  const answer = async (name: "chosen" | "rejected"): Promise<TokenizedExample> => {
    if (typeof text.prompt === "string") {
      return tokenizeExample(tokenizer, { prompt: text.prompt, completion: text[name] as string });
    }
    return tokenizeAnswer(tokenizer, text.prompt, text[name] as ChatMessage[], name);
  };
  return { chosen: await answer("chosen"), rejected: await answer("rejected") };
}

async function tokenizeAnswer(
  tokenizer: ExampleTokenizer,
  prompt: readonly ChatMessage[],
  answer: readonly ChatMessage[],
  name: string,
): Promise<TokenizedExample> {
  const before = await tokenizer.applyChatTemplate(prompt, { addGenerationPrompt: true });
  const whole = await tokenizer.applyChatTemplate([...prompt, ...answer]);
  if (!whole.startsWith(before)) {
    throw new Error(
      `${name}: the chat template renders the prompt differently when an answer follows; give prompt and answers as texts instead of messages`,
    );
  }
  const encode = (given: string) => tokenizer.encode(given, { addSpecialTokens: false });
  const inputIds = encode(whole);
  const start = commonLength(encode(before), inputIds);
  return { inputIds, labels: inputIds.map((id, t) => (t < start ? ignoreIndex : id)) };
}
