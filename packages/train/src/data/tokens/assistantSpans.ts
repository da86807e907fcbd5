import type { ChatMessage } from "@lowrank/models";
import type { ExampleTokenizer, Span } from "./tokenize.ts";

type Render = ExampleTokenizer["applyChatTemplate"];

/**
 * A Unicode noncharacter, which no text contains. It temporarily replaces a message's content, to find the content's
 * position in the rendered text.
 */
const sign = "\uFDD0";

/**
 * Finds the assistant's turns in a rendered conversation, whose last message must be the assistant's. A span starts
 * after the template's opening of the turn, where generation would start. It ends after the token that ends the turn.
 * To find a message, replaces its content by a placeholder, renders the conversation again and compares the two texts.
 * This also works for templates that strip, omit or add text in other turns.
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
 * Returns the position in `text` at which generation of a turn would start. This is the end of the turn's opening. If
 * the template has no opening, it is the end of the rendered previous messages. The turn then includes text such as the
 * role's name, which the model must generate itself.
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
 * Finds the position of a message's content in the rendered conversation `text`. Returns null if the template omits the
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

/**
 * Returns the text that the template adds before an assistant's message as a generation prompt, such as the role's
 * name. Returns "" if it adds none.
 */
async function headerOf(render: Render, messages: readonly ChatMessage[]): Promise<string> {
  const first = messages.findIndex(({ role }, i) => role === "assistant" && i > 0);
  if (first === -1) return "";
  const closed = await render(messages.slice(0, first));
  const open = await render(messages.slice(0, first), { addGenerationPrompt: true });
  return open.startsWith(closed) ? open.slice(closed.length) : "";
}

/**
 * Returns the text that ends each turn. `behind` is the text after a turn's content, and `tail` the text after the last
 * turn's content. The result is the common beginning of both, cut to whole tokens, without white space at its end
 * (unless all of it is white space).
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
