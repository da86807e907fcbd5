import type { ChatMessage } from "./chatTemplate.ts";
import { renderChat } from "./renderChat.ts";

/** A range [start, end) of a rendered conversation, in UTF-16 code units. */
export type TextSpan = readonly [start: number, end: number];

/**
 * Returns the ranges of a rendered conversation that the template puts between `{% generation %}` and `{% endgeneration
 * %}`, with the same bounds as in transformers.
 */
export function findGenerationSpans(
  template: string,
  messages: readonly ChatMessage[],
  specialTokens: Record<string, string>,
): TextSpan[] {
  return [...renderChat(template, messages, specialTokens).generation];
}
