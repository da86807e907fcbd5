import { Tokenizer } from "@lowrank/models";
import { maskedText } from "@lowrank/train/internal";
import { expect, test } from "vitest";
import { renderMasked, shownText } from "./renderExample.ts";

/** One token per byte, as in byte-level tokenizers. */
const bytes = new TextEncoder().encode("ab é");
const letters = ["a", "b", "Ġ", "Ã", "©"];
const tokenizer = new Tokenizer({
  tokenizerJson: {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: Object.fromEntries(letters.map((letter, id) => [letter, id])), merges: [] },
  },
});

test("text is cut where learned tokens begin and end, and never inside a character", () => {
  expect(bytes).toHaveLength(letters.length);
  const inputIds = [0, 1, 2, 3, 4];
  expect(maskedText(tokenizer, { inputIds, labels: [-100, 1, 2, -100, -100] })).toEqual([
    { text: "a", learned: false },
    { text: "b ", learned: true },
    { text: "é", learned: false },
  ]);
  expect(maskedText(tokenizer, { inputIds, labels: [-100, -100, -100, -100, 4] })).toEqual([
    { text: "ab ", learned: false },
    { text: "é", learned: true },
  ]);
});

test("an example is shown up to a number of tokens, of which the learned ones are counted", () => {
  const text = { inputIds: [0, 1, 2, 3, 4], labels: [-100, 1, 2, -100, 4] };
  expect(shownText(tokenizer, text, 4, "chosen")).toEqual({
    ...{ name: "chosen", tokens: 4, learned: 2 },
    parts: [
      { text: "a", learned: false },
      { text: "b ", learned: true },
      // Of "é", only the first byte is shown.
      { text: "\uFFFD", learned: false },
    ],
  });
  expect(shownText(tokenizer, text, 1)).toEqual({
    ...{ name: null, tokens: 1, learned: 0, parts: [{ text: "a", learned: false }] },
  });
});

test("learned text is painted, or stands between brackets, and commands no terminal", () => {
  const parts = [
    { text: "say\n\x1b[2J ", learned: false },
    { text: "a", learned: true },
  ];
  expect(renderMasked(parts)).toBe("say\n\uFFFD[2J [[a]]");
  expect(renderMasked(parts, (text) => `<${text}>`)).toBe("say\n\uFFFD[2J <a>");
});
