import type { Tokenizer } from "@lowrank/models";
import type { ServingPrompt } from "../../api/api.ts";
import { tooLong } from "./invalidRequest.ts";

/**
 * Refuses texts whose length alone shows that they exceed the token limit. They are not tokenized, since tokenizing
 * blocks other requests.
 */
export class TextLength {
  readonly #tokenizer: Tokenizer;
  readonly #mostTokens: number;
  #longestToken: number | null = null;

  constructor(tokenizer: Tokenizer, mostTokens: number) {
    this.#tokenizer = tokenizer;
    this.#mostTokens = mostTokens;
  }

  /** Throws ServingError for a text or chat that is too long. */
  check(prompt: ServingPrompt): void {
    if ("tokens" in prompt) return;
    const texts = "text" in prompt ? [prompt.text] : prompt.messages.map(({ content }) => content);
    const length = texts.reduce((sum, { length }) => sum + length, 0);
    // A short text fits without looking at the vocabulary.
    if (length <= this.#mostTokens) return;
    const most = this.#mostTokens * this.#longest();
    if (length <= most) return;
    const param = "text" in prompt ? "prompt" : "messages";
    const message = `, which hold at most ${most} characters; the prompt has ${length}; shorten it`;
    throw tooLong(this.#mostTokens, message, param);
  }

  /**
   * Returns the number of bytes of the longest token in the vocabulary. A text has at least as many bytes as
   * characters, so this number limits the characters per token.
   */
  #longest(): number {
    if (this.#longestToken !== null) return this.#longestToken;
    const { vocabSize } = this.#tokenizer;
    let longest = 1;
    for (let token = 0; token < vocabSize; token++) {
      longest = Math.max(longest, this.#tokenizer.tokenBytes(token).length);
    }
    this.#longestToken = longest;
    return longest;
  }
}
