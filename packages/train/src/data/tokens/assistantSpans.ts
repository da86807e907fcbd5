import type { ChatMessage } from "@lowrank/models";
import type { ExampleTokenizer, Span } from "./tokenize.ts";

type Render = ExampleTokenizer["applyChatTemplate"];

/**
 * A Unicode noncharacter, which no text contains. It temporarily replaces a message to find where the template renders
 * it.
 */
const sign = "\uFDD0";

/**
 * Finds the assistant's turns in a rendered conversation whose last message is the assistant's. Each span starts after
 * the turn's opening, where generation would start, and includes the token that ends the turn. To find a turn, replaces
 * its message and compares the rendered texts. The template may therefore strip, omit or add text in other turns.
 */
export async function assistantSpans(
  tokenizer: Pick<ExampleTokenizer, "applyChatTemplate" | "encode">,
  messages: readonly ChatMessage[],
  text: string,
): Promise<Span[]> {
  const render: Render = (given, options) => tokenizer.applyChatTemplate(given, options);
  const contents = new Map<number, Span>();
  for (const [i, { role }] of messages.entries()) {
    if (role !== "assistant") continue;
    const content = await contentOf(render, messages, i, text);
    if (content) contents.set(i, content);
  }
  const header = await headerOf(render, messages);
  const [, lastEnd = text.length] = contents.get(messages.length - 1) ?? [];
  const tail = text.slice(lastEnd);
  const spans: Span[] = [];
  let before = 0;
  for (const [i, [from, to]] of contents) {
    if (from < before) throw changed(i);
    const start = await startOf(text, before, from, header, () => render(messages.slice(0, i)));
    const end = to + endMark(tokenizer, text.slice(to), tail).length;
    spans.push([start, end]);
    before = end;
  }
  return spans;
}

/**
 * Returns the position at which the assistant starts to write, after the turn's opening. If the template has no
 * opening, text between the turns that generation would not include in the prompt, such as the role's name, also
 * belongs to the assistant.
 */
async function startOf(
  text: string,
  before: number,
  from: number,
  header: string,
  prompt: () => string | Promise<string>,
): Promise<number> {
  if (header !== "") {
    const opened = text.slice(before, from).lastIndexOf(header);
    return opened < 0 ? from : before + opened + header.length;
  }
  const closed = await prompt();
  const isPrompt = closed !== "" && closed.length >= before && text.startsWith(closed);
  return isPrompt ? Math.min(closed.length, from) : from;
}

/**
 * Finds where a message's content is in the rendered conversation `text`. Returns null if the template omits the
 * message.
 */
async function contentOf(
  render: Render,
  messages: readonly ChatMessage[],
  index: number,
  text: string,
): Promise<Span | null> {
  const other = await render(messages.with(index, { ...messages[index], content: sign }));
  if (other === text) return null;
  const at = other.indexOf(sign);
  if (at < 0) throw changed(index);
  const start = commonLength(text, other);
  let [end, otherEnd] = [text.length, other.length];
  while (end > start && text[end - 1] === other[otherEnd - 1]) {
    end--;
    otherEnd--;
  }
  if (at !== otherEnd - 1) throw changed(index);
  return [start, end];
}

/** Returns the text with which the template opens an assistant turn, or "" if it has no opening. */
async function headerOf(render: Render, messages: readonly ChatMessage[]): Promise<string> {
  const first = messages.findIndex(({ role }, i) => role === "assistant" && i > 0);
  if (first === -1) return "";
  const closed = await render(messages.slice(0, first));
  const open = await render(messages.slice(0, first), { addGenerationPrompt: true });
  return open.startsWith(closed) ? open.slice(closed.length) : "";
}

/**
 * Returns the text that ends a turn: the common beginning, in whole tokens, of the text after this turn (`behind`) and
 * of the text after the last turn (`tail`).
 */
function endMark(tokenizer: Pick<ExampleTokenizer, "encode">, behind: string, tail: string): string {
  const tokens = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  let length = commonLength(tail, behind);
  const all = tokens(tail);
  while (!tokens(tail.slice(0, length)).every((id, t) => id === all[t])) length--;
  const mark = tail.slice(0, length);
  // Removes the line break after the token that ends the turn, which a model never generates.
  return mark.trimEnd() || mark;
}

/** Returns the length of the common beginning of two arrays (in items) or of two strings (in UTF-16 code units). */
export function commonLength<T>(a: ArrayLike<T>, b: ArrayLike<T>): number {
  const length = Array.prototype.findIndex.call(a, (x: T, i: number) => x !== b[i]);
  return length === -1 ? a.length : length;
}

function changed(index: number): Error {
  return new Error(
    `messages[${index}]: the chat template does not render this turn once and in order, so that the assistant's tokens cannot be found; use prompt and completion`,
  );
}
