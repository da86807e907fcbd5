import type { Tokenizer } from "@lowrank/models";
import { ServingError, type ServingPrompt } from "../api.ts";

/**
 * Refuses texts that are longer than so many tokens can be, before they are tokenized: others wait
 * meanwhile.
 */
export class TextLength {
  readonly #tokenizer: Tokenizer;
  readonly #mostTokens: number;
  #longestToken: number | null = null;

  constructor(tokenizer: Tokenizer, mostTokens: number) {
    this.#tokenizer = tokenizer;
    this.#mostTokens = mostTokens;
  }

  /** Throws ServingError for a text, or a chat, that is too long. */
  check(prompt: ServingPrompt): void {
    if ("tokens" in prompt) return;
    const texts = "text" in prompt ? [prompt.text] : prompt.messages.map(({ content }) => content);
    const length = texts.reduce((sum, { length }) => sum + length, 0);
    // A short text needs no look at the vocabulary.
    if (length <= this.#mostTokens) return;
    const most = this.#mostTokens * this.#longest();
    if (length <= most) return;
    const has = `this model's maximum context length is ${this.#mostTokens} tokens, which hold at most ${most} characters`;
    const param = "text" in prompt ? "prompt" : "messages";
    throw new ServingError("invalid_request", `${has}; the prompt has ${length}; shorten it`, param);
  }

  /** The bytes of the longest token; a character has one or more. */
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
