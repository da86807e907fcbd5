import type { ChatMessage } from "./chatTemplate.ts";
import { renderChat } from "./renderChat.ts";

/** A part of a rendered conversation: [start, end). */
export type TextSpan = readonly [start: number, end: number];

/**
 * Returns the parts of a rendered conversation that are between `{% generation %}` and
 * `{% endgeneration %}`, as transformers counts them.
 */
export function findGenerationSpans(
  template: string,
  messages: readonly ChatMessage[],
  specialTokens: Record<string, string>,
): TextSpan[] {
  return [...renderChat(template, messages, specialTokens).generation];
}
