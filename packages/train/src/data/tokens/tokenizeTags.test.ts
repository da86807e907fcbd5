import { expect, test } from "vitest";
import { tokenizeTags } from "./tokenize.ts";

/** Tokens are character codes. Adds 1 and 2 before a text and 3 after it. */
const encode = (text: string, { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {}) => {
  // "a" has two tokens.
  const ids = [...text].flatMap((c) => (c === "a" ? [97, 7] : c.charCodeAt(0)));
  return addSpecialTokens ? [1, 2, ...ids, 3] : ids;
};

test("the first token of each word has its label", () => {
  const tagged = tokenizeTags({ encode }, { words: ["xy", "a"], tags: [4, 5] });
  expect(tagged).toEqual({
    inputIds: [1, 2, 32, 120, 121, 32, 97, 7, 3],
    labels: [-100, -100, 4, -100, -100, 5, -100, -100, -100],
  });
  const bare = { encode: (text: string) => encode(text, { addSpecialTokens: false }) };
  expect(tokenizeTags(bare, { words: ["x"], tags: [0] })).toEqual({ inputIds: [32, 120], labels: [0, -100] });
});

test("each word needs one tag", () => {
  expect(() => tokenizeTags({ encode }, { words: ["x", "y"], tags: [1] })).toThrow(
    "tokenizeTags: 2 words but 1 tags; give one tag for each word",
  );
});
