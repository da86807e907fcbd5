import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ExampleTokenizer, tokenizeExample } from "./tokenize.ts";

// Token ids are character codes, but "ab" is one token (1), "<s>" is 2 and "</s>" is 3.
const special: Record<string, number> = { ab: 1, "<s>": 2, "</s>": 3 };
const tokenizer: ExampleTokenizer = {
  eosTokenId: 3,
  encode(text, { addSpecialTokens = true } = {}) {
    const parts = text.match(/ab|<s>|<\/s>|./gsu) ?? [];
    return [...(addSpecialTokens ? [2] : []), ...parts.map((part) => special[part] ?? part.codePointAt(0))];
  },
  applyChatTemplate(messages, { addGenerationPrompt = false } = {}) {
    const turns = messages.map(({ role, content }) => `${role[0]}:${content}</s>\n`);
    return turns.join("") + (addGenerationPrompt ? "a:" : "");
  },
};
const codes = (text: string) => Array.from(text, (c) => c.codePointAt(0) as number);
const masked = (n: number) => new Array<number>(n).fill(-100);

test("text: every token is learned, and EOS closes it once", async () => {
  const ids = [2, ...codes("xy"), 3];
  expect(await tokenizeExample(tokenizer, { text: "xy" })).toEqual({ inputIds: ids, labels: ids });
  expect(await tokenizeExample(tokenizer, { text: "xy</s>" })).toEqual({ inputIds: ids, labels: ids });
  const open = { ...tokenizer, eosTokenId: null };
  expect((await tokenizeExample(open, { text: "xy" })).inputIds).toEqual(ids.slice(0, -1));
});

describe("prompt and completion", () => {
  test("the prompt is not learned", async () => {
    expect(await tokenizeExample(tokenizer, { prompt: "xy", completion: "z" })).toEqual({
      inputIds: [2, ...codes("xyz"), 3],
      labels: [...masked(3), ...codes("z"), 3],
    });
  });

  test("without a prompt everything is learned, and without a completion nothing", async () => {
    const bare: ExampleTokenizer = {
      ...tokenizer,
      eosTokenId: null,
      encode: (text) => tokenizer.encode(text, { addSpecialTokens: false }),
    };
    expect((await tokenizeExample(bare, { prompt: "", completion: "xy" })).labels).toEqual(codes("xy"));
    expect((await tokenizeExample(bare, { prompt: "xy", completion: "" })).labels).toEqual(masked(2));
    expect((await tokenizeExample(bare, { prompt: "x", completion: "y" })).labels).toEqual([-100, ...codes("y")]);
  });

  test("a token across the border is learned", async () => {
    expect(await tokenizeExample(tokenizer, { prompt: "xa", completion: "bz" })).toEqual({
      inputIds: [2, ...codes("x"), 1, ...codes("z"), 3],
      labels: [...masked(2), 1, ...codes("z"), 3],
    });
  });
});

describe("conversations", () => {
  test("only the assistant's turns are learned, each to its EOS, and what follows the last is left out", async () => {
    const messages = [
      { role: "user", content: "x" },
      { role: "assistant", content: "y" },
      { role: "user", content: "z" },
      { role: "assistant", content: "w" },
      { role: "user", content: "v" },
    ];
    const { inputIds, labels } = await tokenizeExample(tokenizer, { messages });
    expect(inputIds).toEqual([...codes("u:x"), 3, ...codes("\na:y"), 3, ...codes("\nu:z"), 3, ...codes("\na:w"), 3]);
    expect(labels).toEqual([...masked(7), ...codes("y"), 3, ...masked(8), ...codes("w"), 3]);
  });

  test("without an assistant's turn there is nothing to learn", async () => {
    const messages = [{ role: "user", content: "x" }];
    await expect(tokenizeExample(tokenizer, { messages })).rejects.toThrow("without an assistant turn (roles: user)");
  });

  test("a template that rewrites earlier turns", async () => {
    const rewriting: ExampleTokenizer = {
      ...tokenizer,
      applyChatTemplate: (messages) => `${messages.length} ${messages.map((m) => m.content).join()}`,
    };
    const messages = ["x", "y", "z", "w"].map((content, i) => ({ role: i % 2 ? "assistant" : "user", content }));
    const { inputIds, labels } = await tokenizeExample(rewriting, { messages });
    expect(inputIds).toEqual(codes("4 x,y,z,w"));
    expect(labels).toEqual([...masked(4), ...codes("y"), ...masked(3), ...codes("w")]);
  });

  test("a template that renders a turn twice, or turns in another order, is an error", async () => {
    const messages = ["x", "y", "z", "w"].map((content, i) => ({ role: i % 2 ? "assistant" : "user", content }));
    const twice = (texts: string[]) => `${texts.join()} ${texts.join()}`;
    const backwards = (texts: string[]) => texts.reverse().join();
    for (const join of [twice, backwards]) {
      const applyChatTemplate: ExampleTokenizer["applyChatTemplate"] = (turns) => join(turns.map((m) => m.content));
      await expect(tokenizeExample({ ...tokenizer, applyChatTemplate }, { messages })).rejects.toThrow(
        /messages\[\d\]: the chat template does not render this turn once and in order/,
      );
    }
  });
});

test("labels are the tokens or -100, as many as tokens, some of them learned", async () => {
  const text = fc.string({ minLength: 1 });
  const example = fc.oneof(
    fc.record({ text }),
    fc.record({ prompt: text, completion: text }),
    fc.record({
      messages: fc
        .array(fc.record({ role: fc.constantFrom("user", "assistant"), content: text }), { maxLength: 5 })
        .map((messages) => [...messages, { role: "assistant", content: "end" }]),
    }),
  );
  await fc.assert(
    fc.asyncProperty(example, async (e) => {
      const { inputIds, labels } = await tokenizeExample(tokenizer, e);
      expect(labels).toHaveLength(inputIds.length);
      for (const [i, label] of labels.entries()) expect([inputIds[i], -100]).toContain(label);
      expect(labels.some((label) => label !== -100)).toBe(true);
      if ("text" in e) expect(labels).toEqual(inputIds);
    }),
  );
});
