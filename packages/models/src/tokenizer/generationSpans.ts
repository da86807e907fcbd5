import type { ChatMessage } from "./chatTemplate.ts";
import { renderChat } from "./renderChat.ts";

/** A part of a rendered conversation: [start, end). */
export type TextSpan = readonly [start: number, end: number];

/** Characters that no text has, at the start and the end of what the model writes. */
const [opening, closing] = ["\uFDD0", "\uFDD1"];

/** A tag, the white space that Jinja takes away behind it, and what comes then. */
const tag = /(\{%-?\s*(end)?generation\s*(?:-%\}\s*|%\}\n?))([ \t]*)(\{[%#]|\{\{-)?/g;

/**
 * Puts a character behind each `{% generation %}` and `{% endgeneration %}`. White space that a tag
 * or the next one takes away is not behind it.
 */
function marked(template: string): string {
  return template.replace(tag, (_, whole: string, end: string | undefined, spaces: string, next = "") => {
    // At the start of a line, a block or a comment takes away the spaces before it.
    const kept = next === "{{-" || (next !== "" && whole.endsWith("\n")) ? "" : spaces;
    return `${whole}${end ? closing : opening}${kept}${next}`;
  });
}

/**
 * Returns the parts of a rendered conversation that stand between `{% generation %}` and `{%
 * endgeneration %}`, as transformers counts them.
 */
export function findGenerationSpans(
  template: string,
  messages: readonly ChatMessage[],
  specialTokens: Record<string, string>,
): TextSpan[] {
  const rendered = renderChat(marked(template), messages, specialTokens);
  const plain = renderChat(template, messages, specialTokens);
  const pieces = rendered.split(/([\uFDD0\uFDD1])/);
  const spans: [number, number][] = [];
  let length = 0;
  for (const [i, piece] of pieces.entries()) {
    if (i % 2 === 0) length += piece.length;
    else if (piece === opening) spans.push([length, -1]);
    else if (spans.length > 0) spans[spans.length - 1][1] = length;
  }
  if (plain !== pieces.filter((_, i) => i % 2 === 0).join("") || spans.some(([, end]) => end < 0)) {
    throw new Error(
      "the places of {% generation %} in the chat template cannot be told; put them around whole outputs",
    );
  }
  return spans;
}
