import type { ChatMessage } from "@lowrank/models";
import { expect, it } from "vitest";
import { assistantSpans, commonLength } from "./assistantSpans.ts";
import { type ExampleTokenizer, tokenizeExample } from "./tokenize.ts";

const turns: ChatMessage[] = [
  { role: "user", content: "one" },
  { role: "assistant", content: "two" },
  { role: "user", content: "three" },
  { role: "assistant", content: "four" },
];
const line = ({ role, content }: ChatMessage) => `${role}: ${content}\n`;
const codes = (text: string) => [...text].map((c) => c.charCodeAt(0));

type Template = (messages: readonly ChatMessage[], prompt: boolean) => string;

/** Returns the parts of a conversation that the assistant writes. */
async function writtenBy(template: Template, messages: readonly ChatMessage[], encode = codes): Promise<string[]> {
  const applyChatTemplate = (given: readonly ChatMessage[], options: { addGenerationPrompt?: boolean } = {}) =>
    template(given, options.addGenerationPrompt ?? false);
  const text = applyChatTemplate(messages);
  const spans = await assistantSpans({ applyChatTemplate, encode } as never, messages, text);
  return spans.map(([from, to]) => text.slice(from, to));
}

it("the opening of a turn is learned only where no generation prompt has it", async () => {
  const opened = (opening: string) => (messages: readonly ChatMessage[], prompt: boolean) =>
    messages.map(line).join("") + (prompt ? opening : "");
  expect(await writtenBy(opened("assistant: "), turns)).toEqual(["two\n", "four\n"]);
  expect(await writtenBy(opened(""), turns)).toEqual(["assistant: two\n", "assistant: four\n"]);
});

const assistant = (content: string): ChatMessage => ({ role: "assistant", content });
const user = (content: string): ChatMessage => ({ role: "user", content });
const joinedBy = (mark: string) => (messages: readonly ChatMessage[]) => messages.map((m) => m.content).join(mark);

it.each<[string, Template, ChatMessage[], string[]]>([
  [
    "a text that begins with the assistant",
    (m) => m.map((one) => `${one.content}\n`).join(""),
    turns.slice(1, 2),
    ["two\n"],
  ],
  [
    "a preamble before the first turn",
    (m) => (m.length ? `[start] ${joinedBy(";")(m)}` : ""),
    [assistant("one")],
    ["one"],
  ],
  ["two turns of the assistant", joinedBy(";"), [user("a"), assistant("b"), assistant("c")], [";b", ";c"]],
  [
    "text between the opening and the content, also of adjacent turns",
    (m, prompt) => m.map((one) => `<${one.role}>[x] ${one.content}`).join("") + (prompt ? "<assistant>" : ""),
    [user("a"), assistant("b"), assistant("c")],
    ["[x] b", "[x] c"],
  ],
  [
    "a conversation that begins with the assistant, and a template that needs a question",
    (m, prompt) => {
      if (!m.some(({ role }) => role === "user")) throw new Error("no question");
      return m.map(line).join("") + (prompt ? "assistant: " : "");
    },
    [assistant("hello"), ...turns.slice(0, 2)],
    ["hello\n", "two\n"],
  ],
  ["a last turn with another end", (m) => `${joinedBy(";")(m)}.`, turns, ["two", "four."]],
  ["an empty answer", (m) => m.map(line).join(""), [user("a"), assistant("")], ["assistant: \n"]],
])("%s", async (_, template, messages, written) => {
  const found = await writtenBy(template, messages);
  expect(found).toEqual(written);
});

it("the end of a turn is whole tokens, without those that a tokenizer adds", async () => {
  // "!?" is one token. 999 is added at the end of a text, unless addSpecialTokens is false.
  const encode = (text: string, { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {}) => [
    ...(text.match(/!\?|./gsu) ?? []).map((part) => (part === "!?" ? 1 : part.charCodeAt(0))),
    ...(addSpecialTokens ? [999] : []),
  ];
  const ends = (last: string) => (messages: readonly ChatMessage[]) =>
    messages.map(({ content }, i) => content + (i === messages.length - 1 ? last : "</s>!")).join("");
  expect(await writtenBy(ends("</s>!?"), turns, encode as never)).toEqual(["two</s>", "four</s>!?"]);
  expect(await writtenBy(ends("</s>!."), turns, encode as never)).toEqual(["two</s>!", "four</s>!."]);
});

it("a template that omits a turn for other words is refused", async () => {
  const chosen: Template = (m) => m.map(({ content }) => (content === "two" ? "TWO " : "")).join("");
  await expect(writtenBy((m) => `${chosen(m, false)}end`, turns.slice(0, 2))).rejects.toThrow(
    "messages[1]: the chat template does not render this turn once and in order",
  );
  // A turn that is not rendered at all has nothing to learn.
  expect(await writtenBy((m) => m.flatMap((one) => (one.role === "user" ? line(one) : [])).join(""), turns)).toEqual(
    [],
  );
});

it.each([
  ["", "", 0],
  ["ab", "ab", 2],
  ["ab", "abc", 2],
  ["abc", "ab", 2],
  ["xb", "ab", 0],
])("%j and %j have %i equal leading characters", (a, b, length) => {
  expect(commonLength(a, b)).toBe(length);
  expect(commonLength([...a], [...b])).toBe(length);
});

/** Tokens are character codes; "</s>" is 3. */
const tokenizer = (applyChatTemplate: Template, eosTokenId: number | null = 3): ExampleTokenizer => ({
  eosTokenId,
  encode: (text) => (text.match(/<\/s>|./gsu) ?? []).map((part) => (part === "</s>" ? 3 : part.charCodeAt(0))),
  applyChatTemplate: (messages, { addGenerationPrompt = false } = {}) =>
    applyChatTemplate(messages, addGenerationPrompt),
});
const learnedBy = async (one: ExampleTokenizer, messages: ChatMessage[]) => {
  const { labels } = await tokenizeExample(one, { messages });
  return String.fromCharCode(...labels.filter((label) => label !== -100)).replaceAll("\u0003", "</s>");
};

it("a turn is learned up to its end-of-sequence token, and to its end without one", async () => {
  const template: Template = (messages, prompt) =>
    messages.map(({ role, content }) => `${role[0]}:${content}</s> ok.`).join("") + (prompt ? "a:" : "");
  expect(await learnedBy(tokenizer(template), turns)).toBe("two</s>four</s>");
  expect(await learnedBy(tokenizer(template), [user("a"), assistant("")])).toBe("</s>");
  expect(await learnedBy(tokenizer(template, null), turns)).toBe("two</s> ok.four</s> ok.");
  expect(await learnedBy(tokenizer(template, 9), turns)).toBe("two</s> ok.four</s> ok.");
});

it("one learned token is enough, and none is an error", async () => {
  const template: Template = (messages) => messages.map(({ content }) => content).join("");
  expect(await learnedBy(tokenizer(template), [user("a"), assistant("b")])).toBe("b");
  expect(await learnedBy(tokenizer(template), [assistant("b"), user("a")])).toBe("b");
  const silent: Template = (messages) => messages.flatMap((one) => (one.role === "user" ? one.content : [])).join("");
  await expect(tokenizeExample(tokenizer(silent), { messages: turns })).rejects.toThrow(
    "the chat template renders none of the assistant's messages",
  );
});
