import type { ChatMessage } from "../tokenizer/chatTemplate.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/**
 * Marks the end of the last message's text. Templates that look for a mark look for this one, of
 * transformers.
 */
const mark = "CONTINUE_FINAL_MESSAGE_TAG ";

/**
 * Returns a chat as text up to the end of its last message's text, so that a model continues that
 * message. A template that trims messages trims the end of this one too. Throws if the template
 * leaves the last message out. Follows `continue_final_message` of transformers.
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
      `${tokenizer.label}: its chat template leaves out the ${last.role}'s last message, so that it cannot go on`,
    );
  }
  return text.startsWith(mark, at) ? text.slice(0, at) : text.slice(0, at).trimEnd();
}
