import type { ChatMessage } from "./chatTemplate.ts";
import { renderChat } from "./renderChat.ts";

/** A part of a rendered conversation, [start, end), in UTF-16 code units. */
export type TextSpan = readonly [start: number, end: number];

/**
 * Returns the parts of a rendered conversation between `{% generation %}` and `{% endgeneration %}`, with the same
 * bounds as in transformers.
 */
export function findGenerationSpans(
  template: string,
  messages: readonly ChatMessage[],
  specialTokens: Record<string, string>,
): TextSpan[] {
  return [...renderChat(template, messages, specialTokens).generation];
}
