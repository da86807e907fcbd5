import type { ChatMessage } from "../../tokenizer/chatTemplate.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

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

/**
 * Text that is appended to the last message, to find the message's end in the rendered chat. transformers uses the same
 * text, and some templates check for it.
 */
const mark = "CONTINUE_FINAL_MESSAGE_TAG ";

/**
 * Renders a chat as text that ends with the last message's text, so that the model continues this message. If the
 * template trims messages, the end of the last message is trimmed too. Throws if the template omits the last message.
 * The option `continue_final_message` of transformers does the same.
 */
export async function continuedChat(
  messages: readonly ChatMessage[],
  tokenizer: Tokenizer,
  variables?: Record<string, unknown>,
): Promise<string> {
  const last = messages[messages.length - 1];
  const marked = [...messages.slice(0, -1), { ...last, content: last.content + mark }];
  const text = await tokenizer.applyChatTemplate(marked, { variables });
  const at = text.lastIndexOf(mark.trim());
  if (at < 0) {
    throw new Error(
      `${tokenizer.label}: its chat template does not render the last message, of role ${last.role}, so that the message cannot be continued`,
    );
  }
  return text.startsWith(mark, at) ? text.slice(0, at) : text.slice(0, at).trimEnd();
}
