import { Template } from "../jinja/template.ts";
import type { ChatMessage, ChatTemplateOptions } from "./chatTemplate.ts";
import type { TextSpan } from "./generationSpans.ts";

/** The template of the last call: a data set renders one thousands of times. */
let parsed: { source: string; template: Template } | undefined;

/** A rendered conversation. */
interface RenderedChat {
  text: string;
  /** Parts of the text inside of `{% generation %}`. */
  generation: readonly TextSpan[];
}

/**
 * Renders a conversation as the text that the model was trained on, as `apply_chat_template` of
 * transformers does. `specialTokens` are variables of the template; `tools` and `documents` are
 * None
 * unless `variables` has them. Throws, naming the template of `label`, if the template is broken,
 * refuses the conversation, or takes too many steps or too much memory.
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  specialTokens: Record<string, string>,
  { variables, addGenerationPrompt = false }: ChatTemplateOptions = {},
  label = "the tokenizer",
): RenderedChat {
  try {
    if (parsed?.source !== template) parsed = { source: template, template: new Template(template) };
    return parsed.template.render({
      tools: null,
      documents: null,
      ...specialTokens,
      ...variables,
      messages: messages.map(withoutNulls),
      add_generation_prompt: addGenerationPrompt,
    });
  } catch (error) {
    const reason = (error as Error).message || "it refuses the conversation";
    throw Object.assign(new Error(`the chat template of ${label}: ${reason}`, { cause: error }), {
      code: (error as { code?: string }).code ?? "TEMPLATE_LIMIT",
    });
  }
}

/** Names under which a message holds its reasoning; templates read the first. */
const reasoningFields = ["reasoning_content", "thinking", "reasoning"] as const;

/**
 * A message without keys that are null, and with its reasoning under the names that templates read.
 */
function withoutNulls(message: ChatMessage): Record<string, unknown> {
  const entries = Object.entries(message).filter(([, value]) => value !== null && value !== undefined);
  const plain: Record<string, unknown> = Object.fromEntries(entries);
  const reasoning = reasoningFields.map((name) => plain[name]).find((value) => value !== undefined);
  return reasoning === undefined ? plain : { thinking: reasoning, ...plain, reasoning_content: reasoning };
}
