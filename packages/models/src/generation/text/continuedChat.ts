import type { ChatMessage } from "../../tokenizer/chatTemplate.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

/**
 * Text that is added to the last message to find its end in the rendered chat. It is the same text as in transformers,
 * because some templates check for it.
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
