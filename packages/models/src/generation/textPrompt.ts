import type { ChatMessage } from "../tokenizer/chatTemplate.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { continuedChat } from "./continuedChat.ts";

/** A text, the ids of one, or a chat that the model is to answer. */
export type TextPrompt = string | readonly number[] | readonly ChatMessage[];

/** True for a list of prompts; a list of ids or of messages is one prompt. */
export function isBatch(prompt: TextPrompt | readonly TextPrompt[]): prompt is readonly TextPrompt[] {
  if (typeof prompt === "string") return false;
  const [first] = prompt;
  return typeof first === "string" || Array.isArray(first);
}

/** The tokens of a prompt. A chat is written by the tokenizer's template. */
export async function promptTokens(prompt: TextPrompt, tokenizer: Tokenizer): Promise<readonly number[]> {
  if (typeof prompt === "string") return tokenizer.encode(prompt);
  return isChat(prompt) ? tokenizer.encode(await chatText(prompt, tokenizer), { addSpecialTokens: false }) : prompt;
}

function isChat(prompt: readonly number[] | readonly ChatMessage[]): prompt is readonly ChatMessage[] {
  return typeof prompt[0] === "object";
}

/** A chat up to where the assistant's answer begins, or goes on if the chat ends in one. */
async function chatText(messages: readonly ChatMessage[], tokenizer: Tokenizer): Promise<string> {
  const last = messages[messages.length - 1];
  if (last.role === "assistant") {
    // A model rarely continues after a space: most tokens begin with one.
    return continuedChat([...messages.slice(0, -1), { ...last, content: last.content.trimEnd() }], tokenizer);
  }
  return tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
}
