import type { Tokenizer } from "@lowrank/models";

/** The text and the bytes of single tokens, as log-probabilities show them. */
export class TokenTexts {
  readonly #tokenizer: Tokenizer;
  readonly #known = new Map<number, { readonly text: string; readonly bytes: readonly number[] }>();

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** A token that the model has beyond the tokenizer's vocabulary has no text. */
  of(token: number): { readonly text: string; readonly bytes: readonly number[] } {
    const known = this.#known.get(token);
    if (known) return known;
    const bytes = token < this.#tokenizer.vocabSize ? this.#tokenizer.tokenBytes(token) : new Uint8Array();
    const made = { text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), bytes: [...bytes] };
    this.#known.set(token, made);
    return made;
  }
}
