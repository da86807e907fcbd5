import { Template } from "../jinja/template.ts";
import type { ChatMessage, ChatTemplateOptions } from "./chatTemplate.ts";
import type { TextSpan } from "./generationSpans.ts";

/**
 * The template of the last call, parsed. It is kept because a data set renders the same template thousands of times.
 */
let parsed: { source: string; template: Template } | undefined;

/** A rendered conversation. */
interface RenderedChat {
  text: string;
  /** The ranges of the text that the template marks with `{% generation %}`. */
  generation: readonly TextSpan[];
}

/**
 * Renders a conversation as text in the model's training format, like transformers' `apply_chat_template`.
 * `specialTokens` are variables of the template; `tools` and `documents` are None unless `variables` sets them. Throws
 * if the template is invalid, rejects the conversation, or takes too many steps or too much memory. `label` is the
 * tokenizer's name in the error message.
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

/** Keys under which a message may contain its reasoning. The first that is set is used. */
const reasoningFields = ["reasoning_content", "thinking", "reasoning"] as const;

/**
 * Returns a copy of a message without null values. If the message contains reasoning, it is stored under both keys that
 * templates read: `thinking` and `reasoning_content`.
 */
function withoutNulls(message: ChatMessage): Record<string, unknown> {
  const entries = Object.entries(message).filter(([, value]) => value !== null && value !== undefined);
  const plain: Record<string, unknown> = Object.fromEntries(entries);
  const reasoning = reasoningFields.map((name) => plain[name]).find((value) => value !== undefined);
  return reasoning === undefined ? plain : { thinking: reasoning, ...plain, reasoning_content: reasoning };
}
