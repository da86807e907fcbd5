import type { Tokenizer } from "@lowrank/models";
import type { TokenizedExample } from "@lowrank/train";
import { describe, expect, test } from "vitest";
import { areChats, promptOf, samplePrompts } from "./sampleAnswers.ts";

/** One token per character; id 32 is a space, and "^" is a special token. */
const decode = (ids: readonly number[], { skipSpecialTokens = false } = {}) =>
  String.fromCharCode(...ids).replaceAll("^", skipSpecialTokens ? "" : "^");
const encode = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
const plain = { decode, encode, chatTemplate: null } as unknown as Tokenizer;

/** Returns an example of a text. Characters in brackets are learned. */
function example(marked: string): TokenizedExample {
  const [inputIds, labels]: [number[], number[]] = [[], []];
  let learned = false;
  for (const letter of marked) {
    if (letter === "[" || letter === "]") learned = letter === "[";
    else {
      inputIds.push(letter.charCodeAt(0));
      labels.push(learned ? letter.charCodeAt(0) : -100);
    }
  }
  return { inputIds, labels };
}

const numbered = (count: number) => {
  return Array.from({ length: count }, (_, i) => example(`${String.fromCharCode(97 + i)}sk:[answer]`));
};
const texts = (found: ReturnType<typeof samplePrompts>) => found.map(({ text }) => text);
const take = (examples: readonly TokenizedExample[], count = 1, maxLength = 1000) =>
  samplePrompts(plain, examples, { count, maxLength });

describe("a prompt of an example", () => {
  test("goes up to the first token that is learned; the reference follows", () => {
    expect(take([example("ask:[ answer ]")])).toEqual([{ ids: encode("ask:"), text: "ask:", reference: "answer" }]);
    expect(take([example("ask:[one]then[two]")])[0].reference).toBe("one");
    expect(take([example("as[k]")])[0]).toMatchObject({ text: "as", reference: "k" });
    expect(take([example("^as[k^]")])).toEqual([{ ids: encode("^as"), text: "as", reference: "k" }]);
  });

  test("is the first half of a text of which all is learned, at most 24 tokens", () => {
    expect(take([example("[abcdef]")])[0]).toMatchObject({ text: "abc", reference: "def" });
    expect(take([example("[abcde]")])[0]).toMatchObject({ text: "ab", reference: "cde" });
    // Only the beginning-of-sequence token is not learned.
    expect(take([example("s[abcdef]")])[0]).toMatchObject({ text: "sab", reference: "cdef" });
    expect(take([example("[ab]")])[0]).toMatchObject({ text: "a", reference: "b" });
    // The reference ends where tokens are not learned.
    expect(take([example("s[a]bcdefg")])[0]).toMatchObject({ text: "sabc", reference: "" });
    expect(take([example("[a]b")])[0]).toMatchObject({ text: "a", reference: "" });
    expect(take([example("[a]")])).toEqual([]);
    for (const [length, kept] of [
      [47, 23],
      [48, 24],
      [60, 24],
    ]) {
      expect(take([example(`[${"a".repeat(length)}]`)])[0].ids).toHaveLength(kept);
    }
  });

  test("leaves room for eight tokens, or is passed over", () => {
    expect(take([example("ask[answer]")], 1, 11)).toHaveLength(1);
    expect(take([example("ask[answer]")], 1, 10)).toEqual([]);
    expect(texts(take([example("long prompt[x]"), example("ask[x]")], 1, 12))).toEqual(["ask"]);
  });

  test("has a reference of at most 192 tokens", () => {
    expect(take([example(`ask[${"a".repeat(200)}]`)])[0].reference).toHaveLength(192);
    expect(take([example(`ask[${"a".repeat(192)}]b`)])[0].reference).toHaveLength(192);
  });
});

describe("prompts", () => {
  test("are spread over the data", () => {
    expect(texts(take(numbered(10), 2))).toEqual(["ask:", "fsk:"]);
    expect(texts(take(numbered(10), 3))).toEqual(["ask:", "dsk:", "gsk:"]);
    expect(texts(take(numbered(3), 3))).toEqual(["ask:", "bsk:", "csk:"]);
  });

  test("are none for a count of 0, and as many as there are", () => {
    expect(take(numbered(4), 0)).toEqual([]);
    expect(take([], 4)).toEqual([]);
    expect(texts(take(numbered(2), 4))).toEqual(["ask:", "bsk:"]);
  });

  test("that are empty or came before are passed over for those beside them", () => {
    const [one, two] = numbered(2);
    expect(texts(take([one, one, one, two], 2))).toEqual(["ask:", "bsk:"]);
    expect(texts(take([example("   [x]"), two], 1))).toEqual(["bsk:"]);
  });

  test("are looked for in eight examples for each", () => {
    const bad = example("[a]");
    const after = (count: number) => [...Array<TokenizedExample>(count).fill(bad), ...numbered(1)];
    expect(take(after(7))).toHaveLength(1);
    expect(take(after(8))).toEqual([]);
    expect(take(after(15), 2)).toHaveLength(1);
  });
});

describe("a prompt of a text", () => {
  const chat = (template: (text: string) => string) =>
    ({
      ...{ decode, chatTemplate: "template" },
      encode: (text: string, { addSpecialTokens = true } = {}) => [...(addSpecialTokens ? [1] : []), ...encode(text)],
      applyChatTemplate: async ([{ content }]: { content: string }[], { addGenerationPrompt = false }) =>
        `${template(content)}${addGenerationPrompt ? "<assistant>" : ""}`,
    }) as unknown as Tokenizer;
  const turns = chat((text) => `<user>\n${text}</s>`);
  const chats = [example("<user>\nhi</s>[there]")];

  test("is a user's turn where the examples are chats", async () => {
    const written = "<user>\nHello</s><assistant>";
    expect(await promptOf(turns, "Hello", chats)).toEqual({ ids: encode(written), text: "Hello", reference: null });
    expect(await areChats(turns, chats)).toBe(true);
  });

  test("is the text as it is where they are not", async () => {
    const bare = { ids: [1, ...encode("Hello")], text: "Hello", reference: null };
    expect(await promptOf(turns, "Hello", [example("[once upon]")])).toEqual(bare);
    expect(await promptOf(turns, "Hello", [])).toEqual(bare);
    expect(await promptOf(plain, "Hello", chats)).toEqual({ ...bare, ids: encode("Hello") });
    expect(await areChats(turns, [example("[once upon]")])).toBe(false);
    expect(await areChats(turns, [])).toBe(false);
    expect(await areChats(plain, chats)).toBe(false);
    // If a template begins with the message itself, chats cannot be recognised by their beginning.
    expect(
      await areChats(
        chat((text) => text),
        chats,
      ),
    ).toBe(false);
  });

  test("is no chat for a template that refuses one turn", async () => {
    const strict = {
      ...turns,
      applyChatTemplate: async () => Promise.reject(new Error("two turns")),
    } as unknown as Tokenizer;
    expect(await areChats(strict, chats)).toBe(false);
    await expect(promptOf(strict, "Hello", chats)).rejects.toThrow("two turns");
  });
});
