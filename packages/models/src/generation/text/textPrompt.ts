import type { ChatMessage } from "../../tokenizer/chatTemplate.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { continuedChat } from "./continuedChat.ts";

/** A text, a list of token ids, or a chat for the model to answer. */
export type TextPrompt = string | readonly number[] | readonly ChatMessage[];

/** Returns true for a list of prompts. A list of token ids or of chat messages is a single prompt. */
export function isBatch(prompt: TextPrompt | readonly TextPrompt[]): prompt is readonly TextPrompt[] {
  if (typeof prompt === "string") return false;
  const [first] = prompt;
  return typeof first === "string" || Array.isArray(first);
}

/** Returns the tokens of a prompt. A chat is formatted by the tokenizer's chat template. */
export async function promptTokens(prompt: TextPrompt, tokenizer: Tokenizer): Promise<readonly number[]> {
  if (typeof prompt === "string") return tokenizer.encode(prompt);
  return isChat(prompt) ? tokenizer.encode(await chatText(prompt, tokenizer), { addSpecialTokens: false }) : prompt;
}

function isChat(prompt: readonly number[] | readonly ChatMessage[]): prompt is readonly ChatMessage[] {
  return typeof prompt[0] === "object";
}

/**
 * Renders a chat as text that ends where the assistant's answer begins. If the last message is the assistant's, the
 * text ends with it, so that the model continues it.
 */
async function chatText(messages: readonly ChatMessage[], tokenizer: Tokenizer): Promise<string> {
  const last = messages[messages.length - 1];
  if (last.role === "assistant") {
    // Trailing spaces are removed, because most tokens begin with a space and models rarely continue after one.
    return continuedChat([...messages.slice(0, -1), { ...last, content: last.content.trimEnd() }], tokenizer);
  }
  return tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
}
