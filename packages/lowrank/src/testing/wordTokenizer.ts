/** Vocabulary of `wordTokenizer`. */
export const words: readonly string[] = [
  ...["<unk>", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
];

/** Tokenizer.json of a tokenizer with one token per word. */
export const wordTokenizer: string = JSON.stringify({
  version: "1.0",
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: "Whitespace" },
  post_processor: null,
  decoder: null,
  model: { type: "WordLevel", vocab: Object.fromEntries(words.map((word, i) => [word, i])), unk_token: "<unk>" },
});
