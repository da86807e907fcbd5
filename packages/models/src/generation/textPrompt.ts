import type { ChatMessage } from "../tokenizer/chatTemplate.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

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
  const { role, content } = messages[messages.length - 1];
  if (role !== "assistant") return tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
  const text = await tokenizer.applyChatTemplate(messages);
  const last = content.trim();
  const at = text.lastIndexOf(last);
  if (at < 0) {
    throw new Error(
      `${tokenizer.label}: its chat template leaves out the assistant's last message, so that it cannot go on`,
    );
  }
  return text.slice(0, at + last.length);
}
